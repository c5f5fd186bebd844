/** Who asks. Built once, at `identify`; nobody looks it up again. */
export interface Caller {
  readonly kind: 'key' | 'jwt';
  readonly key: {
    /** Public id of the key (or of the token's subject); never the secret nor its hash. */
    readonly id: string;
    readonly scopes: readonly string[];
    /** RFC 3339, where the key ends. */
    readonly expiresAt?: string;
    /** Whether `x-llm-user`, `x-llm-project` and `x-llm-tags` bind for this key. */
    readonly mayAssert: boolean;
  };
  readonly organization: { readonly id: string; readonly tier?: string };
  readonly team: { readonly id: string; readonly name: string; readonly tier?: string };
  readonly user?: {
    readonly id: string;
    readonly email?: string;
    readonly roles: readonly string[];
    readonly permissions: readonly string[];
    readonly region?: string;
  };
  readonly project?: { readonly id: string; readonly name?: string; readonly environment?: string };
  readonly tags: readonly string[];
}
