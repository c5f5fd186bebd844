/** What the unit after a backslash stands for; -1 for `u` and for what is no escape. */
export function escapedUnit(unit: number): number {
  switch (unit) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      return unit;
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default:
      return -1;
  }
}

/** The value of a hexadecimal digit, -1 for anything else. */
export function hexValue(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** The text a part of a JSON string stands for; what is no escape stays as it is. */
export function unescaped(units: string): string {
  if (!units.includes('\\')) return units;
  let out = '';
  for (let i = 0; i < units.length; i += 1) {
    const unit = units.charCodeAt(i);
    if (unit !== 0x5c) {
      out += units[i];
      continue;
    }
    const meant = escapedUnit(units.charCodeAt(i + 1));
    const hex = units.slice(i + 2, i + 6);
    if (meant >= 0) {
      out += String.fromCharCode(meant);
      i += 1;
    } else if (
      units[i + 1] === 'u' &&
      hex.length === 4 &&
      [...hex].every((digit) => hexValue(digit.charCodeAt(0)) >= 0)
    ) {
      out += String.fromCharCode(Number.parseInt(hex, 16));
      i += 5;
    } else out += '\\';
  }
  return out;
}
