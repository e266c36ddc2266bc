import { Password } from "~/features/account/password";
import { SecondFactor } from "~/features/account/second-factor";

export default function AccountSecurity() {
  return (
    <div className="grid max-w-xl gap-4">
      <SecondFactor />
      <Password />
    </div>
  );
}
