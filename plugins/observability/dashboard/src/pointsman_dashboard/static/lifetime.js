// How long a certificate is still good.

import { counted, daysUntil } from "./format.js";
import { badge } from "./parts.js";

export function lifetime(certificate) {
  const days = daysUntil(certificate.notAfter);
  if (days < 0 || certificate.status === "expired") return badge("expired", `Expired ${-days} d ago`);
  return badge(days < 30 ? "warning" : "enabled", counted(days, "day") + " left");
}
