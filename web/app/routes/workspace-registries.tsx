import { Registries } from "~/features/workspace/registries";

export default Registries;
