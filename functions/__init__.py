"""Entry points of the deployed system, one for each trigger: an event becomes a call, and its result an answer.

Their common imports happen here first and are then exempt from garbage collection: they last as long as the process,
and collecting them would take a good part of a cold start.
"""

import gc

gc.disable()
import aws_lambda_powertools  # noqa: E402, F401 -- see above

import reports.service.parts  # noqa: E402, F401 -- see above

gc.freeze()
gc.enable()
