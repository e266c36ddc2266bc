import { Tokens } from "~/features/account/tokens";

export default Tokens;
