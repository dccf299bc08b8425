"""The functions of templates, in the groups that sprig has; which of them files and default rules get."""

from typing import Final

from pointsman.dialect.gotemplate.functions.builtins import BUILTINS
from pointsman.dialect.gotemplate.functions.crypto import CRYPTO
from pointsman.dialect.gotemplate.functions.dates import DATES
from pointsman.dialect.gotemplate.functions.defaults import DEFAULTS
from pointsman.dialect.gotemplate.functions.dicts import DICTS
from pointsman.dialect.gotemplate.functions.encoding import ENCODING
from pointsman.dialect.gotemplate.functions.environment import ENVIRONMENT
from pointsman.dialect.gotemplate.functions.lists import LISTS
from pointsman.dialect.gotemplate.functions.numbers import NUMBERS
from pointsman.dialect.gotemplate.functions.paths import PATHS
from pointsman.dialect.gotemplate.functions.regexes import REGEXES
from pointsman.dialect.gotemplate.functions.semvers import SEMVERS
from pointsman.dialect.gotemplate.functions.strings import COMMON, FILE_STRINGS, STRINGS
from pointsman.dialect.gotemplate.library import Library, joined

SPRIG: Final = (
    STRINGS, NUMBERS, DEFAULTS, LISTS, DICTS, ENCODING, CRYPTO, ENVIRONMENT, DATES, REGEXES, PATHS, SEMVERS,
)  # fmt: skip
RULE_FUNCTIONS: Final[Library] = joined([BUILTINS, *SPRIG, COMMON])
"""What templates of rules may use: `split` gives a map."""
FILE_FUNCTIONS: Final[Library] = joined([BUILTINS, *SPRIG, COMMON, FILE_STRINGS])
"""What files may use: `split` gives a list."""
