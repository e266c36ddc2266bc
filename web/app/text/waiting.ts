/* Wording of changes that wait for a deployment. */
export const waiting = {
  added: "New, not deployed yet",
  changed: "Changed, not deployed yet",
  removed: "Removed with the next deployment",
  was: "Deployed now:",
  nothing: "nothing",
  undo: "Undo",
  neverDeployed: "It was never deployed, so nothing is lost.",
} as const;
