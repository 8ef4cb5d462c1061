"""Entry points of the deployed system, one for each trigger: an event becomes a call, and its result an answer.

What each of them imports is imported here first and then set aside: it stays until the process ends, and looking for
garbage in it meanwhile would be a good part of a cold start.
"""

import gc

gc.disable()
import aws_lambda_powertools  # noqa: E402, F401 -- see above

import reports.service.parts  # noqa: E402, F401 -- see above

gc.freeze()
gc.enable()
