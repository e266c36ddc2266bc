/* Names for what the API's document describes; everything here is generated from docs/openapi.json. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Me = Schemas["Me"];
export type User = Schemas["User"];
export type Project = Schemas["Project"];
export type ListedProject = Schemas["ListedProject"];
export type Environment = Schemas["Environment"];
export type EnvironmentVariable = Schemas["EnvironmentVariable"];
export type ServiceCard = Schemas["ServiceCard"];
export type Service = Schemas["Service"];
export type ServiceChange = Schemas["ServiceChange"];
export type ServiceChangeRequest = Schemas["ServiceChangeRequest"];
export type Deployment = Schemas["Deployment"];
export type DeploymentStatus = Schemas["DeploymentStatus"];
export type RecentDeployment = Schemas["RecentDeployment"];
export type SearchResult = Schemas["SearchResult"];
export type LogLine = Schemas["LogLine"];
export type SystemHealth = Schemas["SystemHealth"];
export type Settings = Schemas["Settings"];
export type Member = Schemas["Member"];
export type Invitation = Schemas["Invitation"];
export type RegistryCredential = Schemas["RegistryCredential"];
export type AuditEntry = Schemas["AuditEntry"];
export type Token = Schemas["Token"];
export type Session = Schemas["Session"];
export type InstanceUser = Schemas["InstanceUser"];
export type DomainState = Schemas["DomainStates"]["domains"][number];
export type VolumeOfService = Schemas["VolumeOfService"];
