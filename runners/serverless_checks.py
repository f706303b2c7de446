"""What `doctor` says about functions: which libraries are here, and where credentials would come from."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from ..core.contract import Check
from .aws_access import AwsAccess
from .aws_doors import NoAws, core_session


async def checks() -> list[Check]:
    """Return one line for AWS and one for Google."""
    return [await asyncio.to_thread(_aws), _google()]


def _aws() -> Check:
    name = "serverless aws"
    if find_spec("boto3") is None:
        return Check(
            name, "skip", "boto3 is not installed: aws services cannot run here", "pip install 'specql-jobs[aws]'"
        )
    try:
        session = core_session(AwsAccess())
        credentials = session.get_credentials()
        region = session.get_config_variable("region")
    except NoAws as error:
        return Check(name, "warn", str(error), "pip install 'specql-jobs[aws]'")
    except Exception as error:  # noqa: BLE001 - a broken configuration file of the SDK's; its text may quote it
        fix = "look at ~/.aws/config and ~/.aws/credentials"
        return Check(name, "warn", f"the AWS configuration cannot be read: {type(error).__name__}", fix)
    if credentials is None:
        fix = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile or credentials_file in auth_config"
        return Check(name, "warn", "no credentials in the environment or in ~/.aws", fix)
    place = f"default region {region}" if region else "no default region (each service names its own)"
    return Check(name, "ok", f"credentials from {credentials.method}, {place}")


def _google() -> Check:
    name = "serverless gcp"
    try:
        found = find_spec("google.auth") is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        missing = "google-auth is not installed: key files of service accounts cannot be used here"
        return Check(name, "skip", missing, "pip install 'specql-jobs[gcp]'")
    return Check(name, "ok", "google-auth is installed; key files are named by each service")
