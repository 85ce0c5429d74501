"""All checks. Each of these files registers its own, and they are made in this order."""

import checks_units  # noqa: F401
import checks_devices  # noqa: F401
import checks_engine  # noqa: F401
import checks_power  # noqa: F401
import checks_provision  # noqa: F401
import checks_selinux  # noqa: F401
import checks_driver  # noqa: F401
import checks_join  # noqa: F401
import checks_live  # noqa: F401
import checks_chart  # noqa: F401
import checks_leave  # noqa: F401
from claim import CHECKS  # noqa: F401
