import pytest

from chaos.environment.external import CONSENT_OPTION, ConsentError, require_consent
from chaos.errors import HarnessError


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379/0", "redis://localhost", "rediss://[::1]:6390/2"])
def test_a_redis_on_this_machine_may_be_broken_with_consent_only(url: str) -> None:
    require_consent(url, consent=True)
    with pytest.raises(ConsentError, match=CONSENT_OPTION):
        require_consent(url, consent=False)


@pytest.mark.parametrize("url", ["redis://redis.example.com:6379/0", "redis://10.0.0.7", "redis://user:pw@192.0.2.1/0"])
@pytest.mark.parametrize("consent", [True, False])
def test_a_redis_elsewhere_is_never_broken(url: str, *, consent: bool) -> None:
    with pytest.raises(ConsentError, match="not on this machine") as caught:
        require_consent(url, consent=consent)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://127.0.0.1", "redis://", ""])
def test_what_is_no_redis_url_is_refused(url: str) -> None:
    with pytest.raises(HarnessError, match="redis://HOST:PORT/DB is needed"):
        require_consent(url, consent=True)
