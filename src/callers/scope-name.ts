/**
 * A name inside a team's: `research/jane`. A key that may name users can spend what its own team grants them and nothing
 * of another team's. What could be read as a separator in a counter's name is percent-encoded.
 */
export function withinTeam(team: string, name: string): string {
  const escaped = name.replaceAll(/[^A-Za-z0-9._@+|=-]/gu, (character) =>
    Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
  return `${team}/${escaped}`;
}
