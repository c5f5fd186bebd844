import type { RanFile } from './test-files.ts';

/** Results as programs read them. */
export function jsonReport(files: readonly RanFile[]) {
  return {
    ok: files.every(good),
    passed: files.reduce((sum, { report }) => sum + (report?.passed ?? 0), 0),
    failed: files.reduce((sum, { report }) => sum + (report?.failed ?? 1), 0),
    files: files.map(({ file, report, problem }) => ({
      file,
      ...(problem === undefined ? {} : { problem }),
      tests: (report?.results ?? []).map(({ name, passed, failures }) => ({ name, passed, failures })),
    })),
  };
}

/** Whether all tests of a file were run and passed. */
export const good = ({ report }: RanFile): boolean => report !== undefined && report.failed === 0;

/** Results as people read them: what failed, and how many there were. */
export function prettyReport(files: readonly RanFile[]): string {
  const lines: string[] = [];
  for (const { file, report, problem } of files) {
    const failed = report?.results.filter(({ passed }) => !passed) ?? [];
    if (problem === undefined && failed.length === 0) continue;
    lines.push(file);
    if (problem !== undefined) lines.push(indented(problem));
    for (const { name, failures } of failed) lines.push(`  ${name}`, indented(failures.join('\n'), '    '));
  }
  const { passed, failed } = jsonReport(files);
  lines.push(`${passed} passed, ${failed} failed, in ${files.length} ${files.length === 1 ? 'file' : 'files'}`);
  return lines.join('\n');
}

/** Results as the Test Anything Protocol has them, version 14. */
export function tapReport(files: readonly RanFile[]): string {
  const tests = files.flatMap(({ file, report, problem }) => [
    ...(problem === undefined ? [] : [{ name: file, passed: false, failures: problem.split('\n') }]),
    ...(report?.results ?? []).map(({ name, passed, failures }) => ({ name: `${file}: ${name}`, passed, failures })),
  ]);
  const lines = tests.flatMap(({ name, passed, failures }, i) => [
    `${passed ? 'ok' : 'not ok'} ${i + 1} - ${name.replaceAll(/[\\#]/g, '\\$&').replaceAll(/\s+/g, ' ')}`,
    ...(passed ? [] : ['  ---', '  message: |', ...failures.map((line) => `    ${line}`), '  ...']),
  ]);
  return ['TAP version 14', `1..${tests.length}`, ...lines].join('\n');
}

/** Results as JUnit's XML, which build servers read. */
export function junitReport(files: readonly RanFile[]): string {
  const { passed, failed } = jsonReport(files);
  const seconds = (ms: number) => (ms / 1_000).toFixed(3);
  const suites = files.map(({ file, report, problem, ms }) => {
    const results = report?.results ?? [];
    const broken = problem === undefined ? 0 : 1;
    const cases = results.map(({ name, failures, passed: fine }) => {
      const head = `    <testcase name="${escaped(name)}" classname="${escaped(file)}"`;
      const first = escaped(failures[0] ?? '');
      return fine
        ? `${head}/>`
        : `${head}>\n      <failure message="${first}">${escaped(failures.join('\n'))}</failure>\n    </testcase>`;
    });
    if (problem !== undefined)
      cases.push(
        `    <testcase name="${escaped(file)}" classname="${escaped(file)}">\n      <error message="cannot be run">${escaped(problem)}</error>\n    </testcase>`,
      );
    const counts = `tests="${results.length + broken}" failures="${report?.failed ?? 0}" errors="${broken}"`;
    return `  <testsuite name="${escaped(report?.name ?? file)}" ${counts} time="${seconds(ms)}">\n${cases.join('\n')}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${passed + failed}" failures="${failed}">\n${suites.join('\n')}\n</testsuites>`;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

// What XML 1.0 does not have at all is shown as what stands for it.
function escaped(text: string): string {
  return text
    .replaceAll(/[&<>"]/g, (found) => entities[found] ?? found)
    .replaceAll(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      '\ufffd',
    );
}

function indented(text: string, by = '  '): string {
  return text
    .split('\n')
    .map((line) => by + line)
    .join('\n');
}
