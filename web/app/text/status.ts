/* Words for the API's statuses, and what kind each is. */
import type { DeploymentStatus, ServiceCard } from "~/api/types";
import type { StatusTone } from "~/ui/status";

interface Look {
  label: string;
  tone: StatusTone;
}

export const deploymentStatus: Record<DeploymentStatus, Look> = {
  QUEUED: { label: "Queued", tone: "idle" },
  PREPARING: { label: "Preparing", tone: "busy" },
  BUILDING: { label: "Building", tone: "busy" },
  STARTING: { label: "Starting", tone: "busy" },
  RESTARTING: { label: "Restarting", tone: "warn" },
  HEALTHY: { label: "Healthy", tone: "ok" },
  UNHEALTHY: { label: "Unhealthy", tone: "bad" },
  CANCELLING: { label: "Cancelling", tone: "busy" },
  CANCELLED: { label: "Cancelled", tone: "idle" },
  FAILED: { label: "Failed", tone: "bad" },
  REMOVED: { label: "Replaced", tone: "idle" },
  SLEEPING: { label: "Asleep", tone: "idle" },
};

export const serviceStatus: Record<ServiceCard["status"], Look> = {
  HEALTHY: { label: "Healthy", tone: "ok" },
  UNHEALTHY: { label: "Unhealthy", tone: "bad" },
  FAILED: { label: "Failed", tone: "bad" },
  SLEEPING: { label: "Asleep", tone: "idle" },
  NOT_DEPLOYED_YET: { label: "Not deployed yet", tone: "idle" },
  DEPLOYING: { label: "Deploying", tone: "busy" },
};

const open: readonly DeploymentStatus[] = ["QUEUED", "PREPARING", "BUILDING", "STARTING", "RESTARTING", "CANCELLING"];

/** Whether a deployment of this status, that has no end yet, is still on its way. */
export function underWay(status: DeploymentStatus, finishedAt: string | null): boolean {
  return finishedAt === null && open.includes(status);
}
