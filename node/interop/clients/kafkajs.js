// Drives kafkajs for the tests of node/interop, which say what to demand of what it prints.
//
//   node kafkajs.js send BROKER TOPIC CODEC IDEMPOTENT   sends the records on stdin (stream_test.go has their form), prints how many were acknowledged
//   node kafkajs.js admin BROKER                         runs what its admin offers, prints a line "name<TAB>result" of each
//   node kafkajs.js errors BROKER                        asks for what is refused, prints the same with kafkajs's own error types
'use strict'
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, Partitioners, logLevel } = require('kafkajs')
const lz4 = require('lz4js')
const { ZstdCodec } = require('zstd-codec')

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
})
const zstd = new Promise(resolve => ZstdCodec.run(z => resolve(new z.Simple())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer, 3)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
})
const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD }

const [, , command, broker, ...args] = process.argv
const kafka = new Kafka({ clientId: 'interop', brokers: [broker], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 20, retries: command === 'send' ? 5 : 0 } })

// records yields what stdin holds.
async function* records() {
  let have = Buffer.alloc(0)
  for await (const chunk of process.stdin) {
    have = have.length ? Buffer.concat([have, chunk]) : chunk
    for (let at = 0; ; ) {
      const [record, end] = parse(have, at)
      if (!record) {
        have = have.subarray(at)
        break
      }
      at = end
      yield record
    }
  }
  if (have.length) throw new Error(`${have.length} bytes of half a record`)
}

// parse returns the record at a place and where it ends, or nothing if it is not all there.
function parse(b, at) {
  const bytes = () => {
    if (at + 4 > b.length) throw RangeError
    const n = b.readInt32BE(at)
    at += 4
    if (n < 0) return null
    if (at + n > b.length) throw RangeError
    at += n
    return b.subarray(at - n, at)
  }
  try {
    if (at + 20 > b.length) throw RangeError
    const r = { partition: b.readInt32BE(at), timestamp: String(b.readBigInt64BE(at + 12)), headers: {} }
    at += 20
    r.key = bytes()
    r.value = bytes()
    if (at + 4 > b.length) throw RangeError
    const headers = b.readInt32BE(at)
    at += 4
    for (let i = 0; i < headers; i++) {
      const key = bytes().toString()
      r.headers[key] = bytes()
    }
    return [r, at]
  } catch (e) {
    if (e === RangeError) return []
    throw e
  }
}

async function send(topic, codec, idempotent) {
  const producer = kafka.producer({ idempotent: idempotent === 'true', maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  let messages = []
  let size = 0
  let acked = 0
  const flush = async () => {
    for (const p of await producer.send({ topic, acks: -1, compression: codecs[codec], messages })) {
      if (p.errorCode !== 0) throw new Error(`partition ${p.partition}: ${p.errorCode}`)
    }
    acked += messages.length
    messages = []
    size = 0
  }
  for await (const r of records()) {
    const n = (r.value ? r.value.length : 0) + 100
    if (messages.length === 2000 || (messages.length && size + n > 1000000)) await flush()
    messages.push(r)
    size += n
  }
  if (messages.length) await flush()
  await producer.disconnect()
  console.log(acked)
}

// words names what went wrong: a protocol error's type where there is one.
function words(e) {
  if (e.errors) return e.errors.map(words).join(',')
  if (e.partitions) return e.partitions.map(p => words(p.error)).join(',')
  return e.type || (e.cause && words(e.cause)) || e.name
}

async function report(name, f) {
  let result
  try {
    result = await f()
  } catch (e) {
    result = words(e)
  }
  console.log(`${name}\t${typeof result === 'string' ? result : JSON.stringify(result)}`)
}

async function admin() {
  const admin = kafka.admin()
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await admin.connect()
  await producer.connect()
  const resource = { type: ConfigResourceTypes.TOPIC, name: 'a' }
  const config = name => async () => (await admin.describeConfigs({ resources: [{ ...resource, configNames: [name] }] })).resources[0].configEntries.map(e => e.configValue)
  await report('create', () => admin.createTopics({ topics: [{ topic: 'a', numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '5000000' }] }] }))
  await report('again', () => admin.createTopics({ topics: [{ topic: 'a' }] }))
  await report('partitions', () => admin.createPartitions({ topicPartitions: [{ topic: 'a', count: 3 }] }))
  await report('list', () => admin.listTopics())
  await report('metadata', async () => (await admin.fetchTopicMetadata({ topics: ['a'] })).topics[0].partitions.length)
  await report('cluster', async () => {
    const c = await admin.describeCluster()
    return [c.brokers.map(b => `${b.host}:${b.port}` === broker), c.controller, c.clusterId.length]
  })
  await report('config', config('retention.ms'))
  await report('alter', async () => (await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '7000000' }] }] })).resources[0].errorCode)
  await report('altered', config('retention.ms'))
  await report('produce', async () => (await producer.send({ topic: 'a', messages: [0, 1, 2, 3, 4].map(i => ({ partition: 0, value: 'v', timestamp: String(1700000000000 + 1000 * i) })) }))[0].baseOffset)
  await report('delete records', () => admin.deleteTopicRecords({ topic: 'a', partitions: [{ partition: 0, offset: '2' }] }))
  await report('offsets', async () => (await admin.fetchTopicOffsets('a')).map(o => `${o.partition}:${o.low}-${o.high}`).sort())
  await report('by time', async () => (await admin.fetchTopicOffsetsByTimestamp('a', 1700000003000)).map(o => `${o.partition}:${o.offset}`).sort())
  await report('reassignments', async () => (await admin.listPartitionReassignments({})).topics)
  await report('delete', () => admin.deleteTopics({ topics: ['a'] }))
  await report('left', () => admin.listTopics())
  await admin.disconnect()
  await producer.disconnect()
}

async function errors() {
  const admin = kafka.admin()
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, allowAutoTopicCreation: false })
  await admin.connect()
  await producer.connect()
  const create = topic => admin.createTopics({ topics: [topic] })
  const limits = [{ name: 'max.message.bytes', value: '500' }, { name: 'message.timestamp.before.max.ms', value: '1000' }]
  await report('a topic', () => create({ topic: 'e', configEntries: limits }))
  await report('a name', () => create({ topic: 'a/b' }))
  await report('no partitions', () => create({ topic: 'p', numPartitions: 0 }))
  await report('three replicas', () => create({ topic: 'p', replicationFactor: 3 }))
  await report('a mistyped config', () => create({ topic: 'p', configEntries: [{ name: 'retention.mss', value: '1' }] }))
  await report('deleting nothing', () => admin.deleteTopics({ topics: ['nothing'] }))
  await report('as many partitions as before', () => admin.createPartitions({ topicPartitions: [{ topic: 'e', count: 1 }] }))
  await report('the offsets of no topic', () => admin.fetchTopicOffsets('nothing'))
  await report('the configs of no topic', () => admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: 'nothing' }] }))
  await report('deleting records beyond the end', () => admin.deleteTopicRecords({ topic: 'e', partitions: [{ partition: 0, offset: '50' }] }))
  const produce = message => producer.send({ topic: 'e', messages: [{ partition: 0, ...message }] })
  await report('a record above max.message.bytes', () => produce({ value: Buffer.alloc(1000) }))
  await report('a record of an hour ago', () => produce({ value: 'v', timestamp: String(Date.now() - 3600000) }))
  await report('producing to no topic', () => producer.send({ topic: 'nothing', messages: [{ value: 'v' }] }))
  await report('listing groups', () => admin.listGroups())
  await report('consuming in a group', async () => {
    const consumer = kafka.consumer({ groupId: 'g' })
    const crashed = new Promise(resolve => consumer.on(consumer.events.CRASH, ({ payload }) => resolve(words(payload.error))))
    await consumer.connect()
    await consumer.subscribe({ topic: 'e' })
    await consumer.run({ eachMessage: async () => {} })
    return crashed
  })
  await admin.disconnect()
  await producer.disconnect()
}

const commands = { send, admin, errors }
commands[command](...args).then(() => process.exit(0), e => {
  console.error(e)
  process.exit(1)
})
