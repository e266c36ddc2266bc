import { Profile } from "~/features/account/profile";

export default Profile;
