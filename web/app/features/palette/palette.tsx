import { common } from "~/text/common";
import { Dialog } from "~/ui/dialog";

export default function Palette({ onClose }: { onClose: () => void }) {
  return (
    <Dialog open title={common.loading} onClose={onClose}>
      <p>{common.loading}</p>
    </Dialog>
  );
}
