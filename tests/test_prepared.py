"""Queries made once: they must find what Django's own would."""

import uuid
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import BigIntegerField, CharField, DateTimeField, UUIDField
from django.test import TestCase
from django.utils import timezone

from instances.models import Account, Instance
from portal.prepared import Integers, IsOneOf, Prepared, Texts, create, save

BY_NAME = Prepared(lambda name: Instance.objects.filter(name=name), name=CharField())
BY_UID = Prepared(lambda uid: Instance.objects.select_related("account").filter(uid=uid), uid=UUIDField())
SINCE = Prepared(
    lambda account, when: (
        Instance.objects.filter(account=account, created_at__gte=when).only("name").order_by("-pk")[:2]
    ),
    account=BigIntegerField(),
    when=DateTimeField(),
)
ANY_OF = Prepared(lambda pks: Instance.objects.filter(IsOneOf("pk", pks)).order_by("pk"), pks=Integers())
NAMED = Prepared(lambda names: Instance.objects.filter(IsOneOf("name", names)).order_by("pk"), names=Texts())


class PreparedQueries(TestCase):
    def setUp(self) -> None:
        self.account = Account.objects.create(name="Alice")
        self.shop, self.bar, self.pub = (
            Instance.objects.create(account=self.account, name=name) for name in ("shop", "bar", "pub")
        )

    def test_it_works(self) -> None:
        for _ in range(2):
            self.assertEqual(BY_NAME.rows(name="shop"), [self.shop])
            self.assertEqual(BY_NAME.first(name="bar"), self.bar)
        self.assertIsNone(BY_NAME.first(name="none"))

    def test_one_statement_each_time(self) -> None:
        BY_NAME.rows(name="shop")
        with self.assertNumQueries(1):
            BY_NAME.rows(name="bar")

    def test_one_of_several_values(self) -> None:
        for pks in ([self.shop.pk, self.pub.pk], []):
            self.assertEqual([row.pk for row in ANY_OF.rows(pks=pks)], pks)
        self.assertEqual(NAMED.rows(names={"bar", "' OR 1=1 --", '"', "{,}", "\\"}), [self.bar])
        self.assertEqual(NAMED.rows(names=[]), [])

    def test_a_relation_is_read_along(self) -> None:
        found = BY_UID.first(uid=self.bar.uid)
        assert found is not None
        with self.assertNumQueries(0):
            self.assertEqual(found.account.name, "Alice")
        self.assertIsNone(BY_UID.first(uid=uuid.uuid4()))

    def test_times_order_limit_and_deferred_fields(self) -> None:
        now = timezone.now()
        found = SINCE.rows(account=self.account.pk, when=now - timedelta(hours=1))
        self.assertEqual(found, [self.pub, self.bar])
        self.assertEqual(SINCE.rows(account=self.account.pk, when=now + timedelta(hours=1)), [])
        with self.assertNumQueries(1):
            self.assertEqual(found[0].uid, self.pub.uid)

    def test_a_value_is_a_value(self) -> None:
        self.assertEqual(BY_NAME.rows(name="' OR 1=1 --"), [])
        self.assertEqual(BY_NAME.rows(name="%s"), [])

    def test_a_missing_value_is_a_fault(self) -> None:
        with self.assertRaises(KeyError):
            BY_NAME.rows()

    def test_rows_can_be_changed_and_saved(self) -> None:
        found = BY_NAME.first(name="shop")
        assert found is not None
        found.name = "shop2"
        found.save()
        self.assertEqual(BY_NAME.first(name="shop2"), self.shop)


class PreparedSaves(TestCase):
    def setUp(self) -> None:
        self.account = Account.objects.create(name="Alice")

    def test_it_works(self) -> None:
        with self.assertNumQueries(1):
            shop = create(Instance, account=self.account, name="shop")
        self.assertEqual(Instance.objects.get(pk=shop.pk).name, "shop")
        shop.name = "bar"
        with self.assertNumQueries(1):
            save(shop)
        self.assertEqual([row.name for row in Instance.objects.all()], ["bar"])

    def test_every_column_is_written_as_django_writes_it(self) -> None:
        ours, djangos = create(Instance, account=self.account, name="ours"), Instance(account=self.account, name="its")
        djangos.save()
        for row, way in ((ours, save), (djangos, Instance.save)):
            for field in Instance._meta.concrete_fields:
                if isinstance(field, DateTimeField):
                    setattr(row, field.attname, datetime(2026, 11, 24, 12, 30, tzinfo=UTC))
            way(row)
        names = [field.attname for field in Instance._meta.concrete_fields]
        shown = list(Instance._base_manager.order_by("pk").values_list(*names))
        different = {name for name, one, other in zip(names, *shown, strict=True) if one != other}
        self.assertEqual(different, {"id", "name", "uid"})

    def test_a_row_that_is_gone_is_a_fault_and_does_not_come_back(self) -> None:
        shop = create(Instance, account=self.account, name="shop")
        Instance.objects.filter(pk=shop.pk).delete()
        with self.assertRaises(DatabaseError), transaction.atomic():
            save(shop)
        self.assertFalse(Instance.objects.exists())

    def test_an_error_spoils_the_transaction_around_it(self) -> None:
        create(Instance, account=self.account, name="shop")
        with transaction.atomic():
            with self.assertRaises(IntegrityError):
                create(Instance, account=self.account, name="shop")
            self.assertTrue(transaction.get_rollback())
            transaction.set_rollback(True)
