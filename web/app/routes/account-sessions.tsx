import { Sessions } from "~/features/account/sessions";

export default Sessions;
