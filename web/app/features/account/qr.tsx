import { useQuery } from "@tanstack/react-query";

/** A QR code drawn here: what it holds goes nowhere. */
export function Qr({ text, label }: { text: string; label: string }) {
  const code = useQuery({
    queryKey: ["qr", text],
    queryFn: async () => (await import("uqr")).encode(text, { border: 2 }),
    gcTime: 0,
  });

  if (!code.data) return <div className="size-48 rounded-md bg-sunken" />;
  const { size, data } = code.data;
  const path = data.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x} ${y}h1v1h-1z`] : []))).join("");
  return (
    <svg viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} className="size-48 rounded-md" shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
