"""Removing what is stored of deleted instances, some at a time.

Deleting marks an instance as going; from then on nothing of it can be seen (see
`instances.access`). A million messages do not fit into one request, nor into
one transaction: the housekeeping takes them away. Where it is killed, the next
one goes on.
"""

from django.db import models, transaction

from chats.models import Chat, Contact, Message
from chats.search.index import catch_up
from instances.models import Instance

# Small enough that nobody who wants to write meanwhile waits for long.
BATCH = 500


def remove_gone(limit: int = 4 * BATCH) -> int:
    """Remove up to `limit` rows of what has been deleted, and each instance that nothing is left of; how many."""
    done = 0
    for instance in Instance.every.filter(going_at__isnull=False).order_by("going_at"):
        done += remove(instance, limit - done)
        if done >= limit:
            break
    return done


def remove(instance: Instance, limit: int) -> int:
    """Remove up to `limit` rows of this one, and itself when nothing is left; how many that were."""
    done = 0
    # Messages before their chats, so that nothing goes in a cascade.
    rows: models.Manager[Message] | models.Manager[Chat] | models.Manager[Contact]
    for rows in (Message.objects, Chat.objects, Contact.objects):
        while done < limit:
            batch = _remove(rows, instance, min(BATCH, limit - done))
            done += batch
            if batch == 0:
                break
        else:
            return done
    instance.delete()
    return done + 1


@transaction.atomic
def _remove(
    rows: models.Manager[Message] | models.Manager[Chat] | models.Manager[Contact], of: Instance, limit: int
) -> int:
    keys = list(rows.filter(instance=of).values_list("pk", flat=True)[:limit])
    if keys:
        rows.filter(pk__in=keys).delete()
        catch_up()
    return len(keys)
