declare module "*.vue" {
  import type { DefineComponent } from "vue";
  const component: DefineComponent<object, object, unknown>;
  export default component;
}
declare module "*.css";
declare module "*.svg" {
  const url: string;
  export default url;
}
/** In the page, `cluster/sha256.ts` stands for it. */
declare module "node:crypto" {
  export { createHash } from "./cluster/sha256.ts";
}
