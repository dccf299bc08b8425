"""nginx's variables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Headers
from pointsman.dialect.variables import Scope, Text
from pointsman.errors import GatewayError
from pointsman.testing import a_request

HEADERS = {
    "X-A": "aa",
    "Cookie": 'c=1; d="2"; empty=',
    "Content-Type": "text/x",
    "Content-Length": "2",
    "X-Forwarded-For": "9.9.9.9",
}


def a_scope(url="http://A.test:81/p%20a/b?a=1%20x&b=2&a=3&%61%62=z", headers=None):
    return Scope(a_request("GET", url, HEADERS if headers is None else headers))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$scheme", b"http"),
        ("$host", b"a.test"),
        ("$best_http_host", b"A.test:81"),
        ("$http_host", b"A.test:81"),
        ("$server_name:$server_port", b"A.test:81"),
        ("$http_x_a-$http_X_A", b"aa-aa"),
        ("$request_uri", b"/p%20a/b?a=1%20x&b=2&a=3&%61%62=z"),
        ("$escaped_request_uri", b"%2Fp%2520a%2Fb%3Fa%3D1%2520x%26b%3D2%26a%3D3%26%2561%2562%3Dz"),
        ("$request_method", b"GET"),
        ("$args|$query_string", b"a=1%20x&b=2&a=3&%61%62=z|a=1%20x&b=2&a=3&%61%62=z"),
        ("$uri$is_args$args", b"/p a/b?a=1%20x&b=2&a=3&%61%62=z"),
        ("$document_uri", b"/p a/b"),
        ("$arg_a $arg_b $arg_ab $arg_no", b"1 x 2 z "),
        ("$cookie_c $cookie_d $cookie_empty $cookie_no", b"1 2  "),
        ("$content_type $content_length", b"text/x 2"),
        ("$remote_addr", b"127.0.0.1"),
        ("$proxy_add_x_forwarded_for", b"9.9.9.9, 127.0.0.1"),
        ("$upstream_http_x", b""),
        ("${host}x $hostx ${host} $ $$ ${", b"a.testx $hostx a.test $ $$ ${"),
        ("$unknown ${unknown}", b"$unknown ${unknown}"),
        ("$1[$9]$0", b"[]$0"),
        ("$10", b"0"),
        ("é$host", "éa.test".encode()),
    ],
)
def test_what_a_variable_is(text, value):
    assert Text(text)(a_scope()) == value


def test_a_request_without_a_query_has_no_question_mark():
    assert Text("$uri$is_args$args")(a_scope("http://a.test/x")) == b"/x"


def test_the_port_is_that_of_the_scheme_where_the_client_names_none():
    assert Text("$server_port")(a_scope("http://a.test/")) == b"80"


def test_the_uri_of_the_request_stays_what_the_client_asked_for():
    scope = a_scope("http://a.test/first/./x?q")
    scope.request.rewrite(b"/second")

    assert Text("$request_uri $uri")(scope) == b"/first/x?q /second"


@pytest.mark.parametrize(
    ("received", "uri"),
    [
        (b"http://a.test/x?y", b"/x?y"),
        (b"http://a.test", b"/"),
        (b"http://a.test?y", b"/?y"),
        (b"*", b"*"),
        (b"/%zz", b"/p"),
    ],
)
def test_targets_of_every_form_have_a_uri(received, uri):
    scope = a_scope("http://a.test/p")
    scope.request.target = received

    assert Text("$request_uri")(scope) == uri


def test_two_slashes_never_begin_a_uri():
    assert Text("$uri")(a_scope("http://a.test/%2F%2Fevil.test/%2Fx")) == b"/evil.test/x"


def test_custom_variables_groups_and_answers_are_those_of_the_scope():
    scope = a_scope()
    scope.custom["mine"], scope.groups, scope.upstream = b"m", (b"one", b"two"), Headers([(b"x-user", b"bob")])

    assert Text("$mine $yours $1$2$3 $upstream_http_x_user", {"mine", "yours"})(scope) == b"m  onetwo bob"


def test_a_value_is_no_longer_than_a_header_may_be():
    scope = a_scope()
    scope.custom["long"] = b"x" * 40_000

    with pytest.raises(GatewayError) as error:
        Text("$long$long", {"long"})(scope)
    assert error.value.status == 414


@given(st.text())
def test_a_text_without_variables_is_what_it_says(text):
    assert Text(text.replace("$", ""))(a_scope()) == text.replace("$", "").encode("utf-8", "surrogatepass")


@given(st.text(alphabet="$ab{}_1 host"))
def test_every_text_can_be_read(text):
    assert isinstance(Text(text, {"a"})(a_scope()), bytes)


def test_what_is_written_like_a_variable_and_is_none_is_known():
    assert Text("$host ${nope}$arg_x $binary_remote_addr $mine", ["mine"]).unknown == ("${nope}", "$binary_remote_addr")
