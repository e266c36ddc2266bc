import { Users } from "~/features/system/users";

export default Users;
