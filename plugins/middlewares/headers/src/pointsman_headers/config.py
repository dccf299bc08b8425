"""What users write under `headers`, and when it says anything at all (middlewares.md §3.13)."""

from attrs import Factory, field, fields, frozen
from attrs.validators import ge, optional

from pointsman import option

WITHOUT_EFFECT = ("feature_policy", "ssl_redirect", "ssl_temporary_redirect", "ssl_host", "ssl_force_host")


@frozen
class HeadersConfig:
    custom_request_headers: dict[str, str] = Factory(dict)
    custom_response_headers: dict[str, str] = Factory(dict)

    access_control_allow_credentials: bool = False
    access_control_allow_headers: tuple[str, ...] = ()
    access_control_allow_methods: tuple[str, ...] = ()
    access_control_expose_headers: tuple[str, ...] = ()
    access_control_allow_origin_list: tuple[str, ...] = ()
    access_control_allow_origin_list_regex: tuple[str, ...] = ()
    access_control_max_age: int | None = field(default=None, validator=optional(ge(0)))
    add_vary_header: bool = False

    allowed_hosts: tuple[str, ...] = ()
    hosts_proxy_headers: tuple[str, ...] = ()
    ssl_proxy_headers: dict[str, str] = Factory(dict)
    sts_seconds: int | None = field(default=None, validator=optional(ge(0)))
    sts_include_subdomains: bool = False
    sts_preload: bool = False
    force_sts_header: bool = option("forceSTSHeader", default=False)
    frame_deny: bool = False
    custom_frame_options_value: str = ""
    content_type_nosniff: bool = False
    browser_xss_filter: bool = False
    custom_browser_xss_value: str = option("customBrowserXSSValue", default="")
    content_security_policy: str = ""
    content_security_policy_report_only: str = ""
    referrer_policy: str = ""
    permissions_policy: str = ""
    public_key: str = ""
    is_development: bool = False

    feature_policy: str = ""
    ssl_redirect: bool = False
    ssl_temporary_redirect: bool = False
    ssl_host: str = ""
    ssl_force_host: bool = False

    @property
    def says_something(self) -> bool:
        """False if every option is at its default, or the like of it: 0, "" and [] count as not set."""
        return self.has_cors or any(getattr(self, attribute.name) for attribute in fields(type(self)))

    @property
    def has_cors(self) -> bool:
        """True if any CORS option is set: preflights are answered then."""
        return self.access_control_max_age is not None or any(
            (
                self.access_control_allow_credentials,
                self.access_control_allow_headers,
                self.access_control_allow_methods,
                self.access_control_expose_headers,
                self.access_control_allow_origin_list,
                self.access_control_allow_origin_list_regex,
                self.add_vary_header,
            )
        )
