/* Modules that the build makes (licences.ts). */
declare module "virtual:licences" {
  /** Address of the licence texts; empty while developing. */
  const address: string;
  export default address;
}
