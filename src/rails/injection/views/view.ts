/** A second reading of a text: what it says once a disguise is taken off. */
export interface View {
  /** `base64`, `rot13`, `tags` ... */
  readonly name: string;
  readonly text: string;
  /** For each unit of `text`, and its end, the offset in the source. */
  readonly map: Int32Array;
}

/** Writes a view unit by unit, remembering where each came from. */
export class ViewWriter {
  private parts: string[] = [];
  private pending: number[] = [];
  private map: Int32Array = new Int32Array(1024);
  private length = 0;
  /** Whether anything was written that differs from the source. */
  changed = false;

  /** One code unit that stands for what begins at `origin`. */
  unit(code: number, origin: number): void {
    if (this.length === this.map.length) this.widen(this.length + 1);
    this.map[this.length++] = origin;
    this.pending.push(code);
    if (this.pending.length === 4096) this.flush();
  }

  /** Decoded text spread over the source's [from, to). */
  decoded(text: string, from: number, to: number): void {
    const step = text.length === 0 ? 0 : (to - from) / text.length;
    for (let i = 0; i < text.length; i++) this.unit(text.charCodeAt(i), Math.floor(from + i * step));
    this.changed = true;
  }

  /** The source as it is. */
  copy(source: string, from: number, to: number): void {
    if (to <= from) return;
    this.flush();
    this.parts.push(source.slice(from, to));
    this.widen(this.length + to - from);
    for (let i = from; i < to; i++) this.map[this.length++] = i;
  }

  /** The view, its offsets led back through the source's own map where it has one. */
  view(name: string, end: number, before?: Int32Array): View {
    this.flush();
    const map = new Int32Array(this.length + 1);
    for (let i = 0; i < this.length; i++)
      map[i] = before === undefined ? (this.map[i] ?? 0) : (before[this.map[i] ?? 0] ?? 0);
    map[this.length] = before === undefined ? end : (before[end] ?? 0);
    return { name, text: this.parts.join(''), map };
  }

  private flush(): void {
    if (this.pending.length === 0) return;
    this.parts.push(String.fromCharCode(...this.pending));
    this.pending = [];
  }

  private widen(least: number): void {
    if (least <= this.map.length) return;
    const wider = new Int32Array(Math.max(least, this.map.length * 2));
    wider.set(this.map);
    this.map = wider;
  }
}
