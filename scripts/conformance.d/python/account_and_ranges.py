"""The account, and the ranges of keys of a container, as SDKs read them before anything else."""

import contextlib
import json

from sdk import connect, EndpointTest


class AccountAndRanges(EndpointTest):
    def test_the_account_has_a_configuration_of_the_query_engine(self):
        client, responses = connect()
        client.client_connection.GetDatabaseAccount(raw_response_hook=responses.record)
        account = json.loads(responses[-1].text)
        self.assertTrue(json.loads(account["queryEngineConfiguration"]), account)

    def test_a_list_of_ranges_has_an_etag_that_is_answered_with_304(self):
        container = self.container()
        read_ranges = container.client_connection._ReadPartitionKeyRanges

        def answer(condition):
            # Some versions of the SDK expect a list in every answer.
            with contextlib.suppress(TypeError, KeyError):
                list(read_ranges(container.container_link, condition, raw_response_hook=self.responses.record))
            return self.responses[-1]

        first = answer({})
        self.assertEqual(first.status, 200)
        again = answer({"accessCondition": {"type": "IfNoneMatch", "condition": first.headers["etag"]}})
        self.assertEqual((again.status, again.bytes), (304, 0))
