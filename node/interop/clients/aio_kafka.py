"""Drives aiokafka for the tests of node/interop, which say what to demand of what it prints. The commands are those of kafka_python.py."""
import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

import records

BROKER = sys.argv[2]
PARTITIONS = 4


def producer(**settings):
    return AIOKafkaProducer(bootstrap_servers=BROKER, acks='all', max_request_size=1048576, **settings)


async def send(topic, codec, idempotent):
    p = producer(compression_type=None if codec == 'none' else codec, enable_idempotence=idempotent == 'true', max_batch_size=256 * 1024)
    await p.start()
    waiting, acked = [], 0
    for partition, timestamp, key, value, headers in records.read():
        waiting.append(await p.send(topic, value=value, key=key, headers=headers, partition=partition, timestamp_ms=timestamp))
        if len(waiting) == 5000:
            acked += len(await asyncio.gather(*waiting))
            waiting = []
    acked += len(await asyncio.gather(*waiting))
    await p.stop()
    print(acked)


async def read(topic, count):
    consumer = AIOKafkaConsumer(bootstrap_servers=BROKER, group_id=None, auto_offset_reset='none', enable_auto_commit=False)
    await consumer.start()
    all_ = [TopicPartition(topic, p) for p in range(PARTITIONS)]
    consumer.assign(all_)
    await consumer.seek_to_beginning(*all_)
    left = int(count)
    while left > 0:
        for some in (await consumer.getmany(timeout_ms=60000, max_records=10000)).values():
            for r in some:
                records.write(r)
            left -= len(some)
    await consumer.stop()


async def report(what, f):
    try:
        records.say(what, await f())
    except Exception as e:  # noqa: BLE001: each is a result
        records.say(what, e)


def code(n):
    return records.name(for_code(n)) if n else 0


async def admin():
    a = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await a.start()

    async def create():
        return [code(t[1]) for t in (await a.create_topics([NewTopic('a', 2, 1, topic_configs={'retention.ms': '5000000'})])).topic_errors]

    async def partitions():
        await a.create_partitions({'a': NewPartitions(3)})
        return len((await a.describe_topics(['a']))[0]['partitions'])

    async def cluster():
        return [f"{b['host']}:{b['port']}" == BROKER for b in (await a.describe_cluster())['brokers']]

    async def config():
        got = await a.describe_configs([ConfigResource(ConfigResourceType.TOPIC, 'a', {'retention.ms': None})])
        return [(c[0], c[1]) for r in got for c in r.resources[0][4]]

    async def alter():
        await a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, 'a', {'retention.ms': '7000000'})])
        return await config()

    await report('create', create)
    await report('partitions', partitions)
    await report('list', a.list_topics)
    await report('cluster', cluster)
    await report('config', config)
    await report('alter', alter)
    p = producer()
    await p.start()
    for i in range(10):
        await p.send_and_wait('a', b'v', partition=0, timestamp_ms=1700000000000 + 1000 * i)
    await p.stop()
    tp = TopicPartition('a', 0)

    async def delete():
        return [code(t[1]) for t in (await a.delete_topics(['a'])).topic_error_codes] + await a.list_topics()

    await report('delete records', lambda: a.delete_records({tp: RecordsToDelete(before_offset=4)}))
    consumer = AIOKafkaConsumer(bootstrap_servers=BROKER, group_id=None)
    await consumer.start()

    async def offsets():
        return [(await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp], (await consumer.offsets_for_times({tp: 1700000006500}))[tp].offset]

    await report('offsets', offsets)
    await consumer.stop()
    await report('delete', delete)
    await a.close()


async def errors():
    a = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await a.start()

    def create(topic, partitions=1, replicas=1, **configs):
        async def f():
            return [code(t[1]) for t in (await a.create_topics([NewTopic(topic, partitions, replicas, topic_configs={k.replace('_', '.'): v for k, v in configs.items()})])).topic_errors]
        return f

    async def nothing():
        return [code(t[1]) for t in (await a.delete_topics(['nothing'])).topic_error_codes]

    async def configs():
        return [code(r.resources[0][0]) for r in await a.describe_configs([ConfigResource(ConfigResourceType.TOPIC, 'nothing')])]

    await report('a topic', create('e', max_message_bytes='500', message_timestamp_before_max_ms='1000'))
    await report('it again', create('e'))
    await report('a name', create('a/b'))
    await report('no partitions', create('p', partitions=0))
    await report('three replicas', create('p', replicas=3))
    await report('a mistyped config', create('p', retention_mss='1'))
    await report('deleting nothing', nothing)
    await report('as many partitions as before', lambda: a.create_partitions({'e': NewPartitions(1)}))
    await report('the configs of no topic', configs)
    await report('deleting records beyond the end', lambda: a.delete_records({TopicPartition('e', 0): RecordsToDelete(before_offset=50)}))
    await report('listing groups', a.list_consumer_groups)
    p = producer(request_timeout_ms=3000)
    await p.start()
    await report('a record above max.message.bytes', lambda: p.send_and_wait('e', bytes(1000)))
    await report('a record of an hour ago', lambda: p.send_and_wait('e', b'v', timestamp_ms=int(time.time() * 1000) - 3600000))
    await report('producing to no topic', lambda: p.send_and_wait('nothing', b'v'))
    await p.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=BROKER, group_id=None, auto_offset_reset='none')
    await consumer.start()
    consumer.assign([TopicPartition('e', 0)])
    consumer.seek(TopicPartition('e', 0), 100)
    await report('an offset beyond the end', lambda: asyncio.wait_for(consumer.getone(), 30))
    await consumer.stop()
    await a.close()


asyncio.run({'send': send, 'read': read, 'admin': admin, 'errors': errors}[sys.argv[1]](*sys.argv[3:]))
