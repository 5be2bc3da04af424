"""Why a token cannot be checked."""


class IdentityProviderDown(Exception):
    """The identity provider cannot be reached, and no cached key decides."""
