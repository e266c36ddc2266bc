import { AccountFrame } from "~/features/account/frame";

export default AccountFrame;
