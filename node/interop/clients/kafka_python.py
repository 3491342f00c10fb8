"""Drives kafka-python for the tests of node/interop, which say what to demand of what it prints.

python kafka_python.py send BROKER TOPIC CODEC IDEMPOTENT   sends the records on stdin, prints how many were acknowledged
python kafka_python.py read BROKER TOPIC COUNT              writes the records of a topic to stdout
python kafka_python.py admin BROKER                         runs what its admin offers, prints a line "name<TAB>result" of each
python kafka_python.py errors BROKER                        asks for what is refused, prints the same with its own exceptions
"""
import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, OffsetSpec

import records

BROKER = sys.argv[2]
PARTITIONS = 4


def producer(**settings):
    return KafkaProducer(bootstrap_servers=BROKER, acks='all', max_request_size=1048576, request_timeout_ms=60000, **settings)


def send(topic, codec, idempotent):
    p = producer(compression_type=None if codec == 'none' else codec, enable_idempotence=idempotent == 'true', linger_ms=5, batch_size=256 * 1024,
                 max_in_flight_requests_per_connection=5 if idempotent == 'true' else 1)
    failed, acked = [], 0

    def ok(_):
        nonlocal acked
        acked += 1

    for partition, timestamp, key, value, headers in records.read():
        future = p.send(topic, value=value, key=key, headers=headers, partition=partition, timestamp_ms=timestamp)
        future.add_callback(ok)
        future.add_errback(failed.append)
    p.flush()
    p.close()
    if failed:
        raise failed[0]
    print(acked)


def read(topic, count):
    consumer = KafkaConsumer(bootstrap_servers=BROKER, group_id=None, auto_offset_reset='none', enable_auto_commit=False, request_timeout_ms=60000)
    all_ = [TopicPartition(topic, p) for p in range(PARTITIONS)]
    consumer.assign(all_)
    consumer.seek_to_beginning()
    left = int(count)
    while left > 0:
        for some in consumer.poll(timeout_ms=60000, max_records=10000).values():
            for r in some:
                records.write(r)
            left -= len(some)
    consumer.close()


def report(what, f):
    try:
        records.say(what, f())
    except Exception as e:  # noqa: BLE001: each is a result
        records.say(what, e)


def admin():
    a = KafkaAdminClient(bootstrap_servers=BROKER)
    tp = TopicPartition('a', 0)

    def config(key):
        got = a.describe_configs([ConfigResource('TOPIC', 'a', [key])], config_filter='all')
        return got['topic']['a'][key]['value']

    report('create', lambda: a.create_topics({'a': {'num_partitions': 2, 'replication_factor': 1, 'configs': {'retention.ms': '5000000'}}})['topics'][0]['num_partitions'])
    report('partitions', lambda: a.create_partitions({'a': 3}) and len(a.describe_topics(['a'])[0]['partitions']))
    report('list', a.list_topics)
    report('pages', lambda: len(a.describe_topic_partitions(['a'])['topics'][0]['partitions']))
    report('cluster', lambda: [f"{b['host']}:{b['port']}" == BROKER for b in a.describe_cluster()['brokers']])
    report('config', lambda: config('retention.ms'))
    report('incremental', lambda: a.alter_configs([ConfigResource('TOPIC', 'a', {'segment.ms': '60000'})]) and [config('segment.ms'), config('retention.ms')])
    report('replace', lambda: a.alter_configs([ConfigResource('TOPIC', 'a', {'retention.ms': '7000000'})], incremental=False) and config('retention.ms'))
    report('resources', lambda: sorted(a.list_config_resources()))
    with producer() as p:
        for i in range(10):
            p.send('a', b'v', partition=0, timestamp_ms=1700000000000 + 1000 * i).get(30)
    report('delete records', lambda: a.delete_records({tp: 4})[tp]['low_watermark'])
    for what, spec in (('earliest', OffsetSpec.EARLIEST), ('latest', OffsetSpec.LATEST), ('newest', OffsetSpec.MAX_TIMESTAMP), ('by time', 1700000006500)):
        report(what, lambda: a.list_partition_offsets({tp: spec})[tp].offset)
    report('log dirs', lambda: sorted(len(t['partitions']) for d in a.describe_log_dirs()[0]['log_dirs'] for t in d['topics']))
    report('producers', lambda: len(a.describe_producers([tp])[tp]))
    report('elect', lambda: a.elect_leaders(0, {'a': [0]}, raise_errors=False).replica_election_results[0].partition_result[0].error_code)
    report('reassignments', a.list_partition_reassignments)
    report('delete', lambda: a.delete_topics(['a']) and a.list_topics())
    a.close()


def errors():
    a = KafkaAdminClient(bootstrap_servers=BROKER)
    create = lambda topic, **how: a.create_topics({topic: {'num_partitions': 1, 'replication_factor': 1, **how}}) and 'created'
    report('a topic', lambda: create('e', configs={'max.message.bytes': '500', 'message.timestamp.before.max.ms': '1000'}))
    report('it again', lambda: create('e'))
    report('a name', lambda: create('a/b'))
    report('no partitions', lambda: create('p', num_partitions=0))
    report('three replicas', lambda: create('p', replication_factor=3))
    report('a mistyped config', lambda: create('p', configs={'retention.mss': '1'}))
    report('deleting nothing', lambda: a.delete_topics(['nothing']))
    report('as many partitions as before', lambda: a.create_partitions({'e': 1}))
    report('deleting records beyond the end', lambda: a.delete_records({TopicPartition('e', 0): 50}))
    report('listing groups', a.list_groups)
    p = producer(retries=0, enable_idempotence=False, max_block_ms=1000, allow_auto_create_topics=False)
    report('a record above max.message.bytes', lambda: p.send('e', bytes(1000)).get(30))
    report('a record of an hour ago', lambda: p.send('e', b'v', timestamp_ms=int(time.time() * 1000) - 3600000).get(30))
    report('producing to no topic', lambda: p.send('nothing', b'v').get(30))
    p.close()
    consumer = KafkaConsumer(bootstrap_servers=BROKER, group_id=None, auto_offset_reset='none')
    consumer.assign([TopicPartition('e', 0)])
    consumer.seek(TopicPartition('e', 0), 100)

    def poll():
        for _ in range(30):
            consumer.poll(timeout_ms=1000)

    report('an offset beyond the end', poll)
    consumer.close()
    a.close()


{'send': send, 'read': read, 'admin': admin, 'errors': errors}[sys.argv[1]](*sys.argv[3:])
