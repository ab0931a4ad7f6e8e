/** What every page does: shortcuts, and moments told as ages. */

import { refresh } from "./ages.ts";
import { listen } from "./keys.ts";

listen();
refresh();
setInterval(refresh, 1000);
