"""What the embedded endpoint does not offer: it answers 501, and the lists are empty.

The service itself offers all of it, so these checks are for the embedded endpoint alone.
"""

from sdk import EndpointTest


class NotOffered(EndpointTest):
    def test_stored_procedures_are_not_offered(self):
        scripts = self.container().scripts
        self.assertEqual(list(scripts.list_stored_procedures()), [])
        self.assert_rejected(501, scripts.create_stored_procedure, {"id": "p", "body": "function () {}"})

    def test_triggers_are_not_offered(self):
        scripts = self.container().scripts
        self.assertEqual(list(scripts.list_triggers()), [])
        trigger = {"id": "t", "serverScript": "function () {}", "triggerType": "Pre", "triggerOperation": "All"}
        self.assert_rejected(501, scripts.create_trigger, trigger)

    def test_user_defined_functions_are_not_offered(self):
        scripts = self.container().scripts
        self.assertEqual(list(scripts.list_user_defined_functions()), [])
        self.assert_rejected(501, scripts.create_user_defined_function, {"id": "f", "body": "function () {}"})

    def test_users_are_not_offered(self):
        self.assertEqual(list(self.database.list_users()), [])
        self.assert_rejected(501, self.database.create_user, {"id": "u"})

    def test_a_container_has_no_conflicts(self):
        self.assertEqual(list(self.container().list_conflicts()), [])
