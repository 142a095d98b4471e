"""Session tokens."""

from sdk import connect, CONNECTION_STRING, EndpointTest


class Sessions(EndpointTest):
    def test_every_write_and_read_returns_a_session_token(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a"})
        written = self.responses[-1].headers
        container.read_item("1", "a")
        for headers in (written, self.responses[-1].headers):
            self.assertRegex(headers["x-ms-session-token"], r"^[0-9]+:.+")

    def test_a_write_names_the_resource_id_of_its_container(self):
        container = self.container()
        rid = container.read()["_rid"]
        container.create_item({"id": "1", "pk": "a"})
        self.assertEqual(self.responses[-1].headers["x-ms-content-path"], rid)

    def test_the_token_of_a_write_is_accepted_by_another_client(self):
        container = self.container()
        container.create_item({"id": "1", "pk": "a", "number": 1})
        token = self.responses[-1].headers["x-ms-session-token"]
        client, _ = connect()
        other = client.get_database_client(self.database.id).get_container_client(container.id)
        self.assertEqual(other.read_item("1", "a", session_token=token)["number"], 1)

    def test_an_empty_session_token_counts_as_none(self):
        container = self.filled_container(1)
        empty = {"initial_headers": {"x-ms-session-token": ""}}
        self.assertEqual(container.read_item("item-0000", "key-0", **empty)["number"], 0)

    def test_a_session_token_that_is_not_one_is_rejected_with_400(self):
        container = self.filled_container(1)
        self.assert_rejected(400, container.read_item, "item-0000", "key-0", session_token="no token")


class Accounts(EndpointTest):
    def test_a_wrong_account_key_is_rejected_with_401(self):
        from azure.cosmos import CosmosClient

        endpoint = dict(part.split("=", 1) for part in CONNECTION_STRING.split(";") if part)["AccountEndpoint"]
        with self.assertRaises(Exception) as raised:
            list(CosmosClient(endpoint, "d3Jvbmc=").list_databases())
        self.assertEqual(raised.exception.status_code, 401)
