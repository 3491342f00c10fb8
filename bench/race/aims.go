package race

// Aim is one of the aims of the race, as tables head it.
type Aim struct {
	Title string
	Asked string
}

// Aims are those of the race, the first of which is number 1.
var Aims = []Aim{
	{"Produce: records per second", "Records of 1 KB in batches of 16 KB and 1 MB, acks=all: 2.5 times Kafka's records/s where both make records durable in the same way, and no less than Kafka's where " +
		"only ours are synced. Records of 100 B in batches of 16 KB: 4 times, and a million acknowledged records/s."},
	{"Broker CPU per GB", "A fifth of Kafka's CPU-seconds per GB produced, a quarter per GB fetched."},
	{"Unbatched requests", "64 connections, one record a request: 6 times Kafka's requests/s."},
	{"End to end at 10 000 messages per second", "Messages of 1 KB. Relaxed p50 of 150 µs at most; durable p50 of twice the device's fdatasync p50 at most; p99.9 a tenth of Kafka's."},
	{"Durable, everybody waits", "64 synchronous producers on 1 and on 64 partitions: 20 times Kafka with flush.messages=1, p99 at most 2.5 times the device's fdatasync p99. " +
		"1 000 partitions, one record each a round: told, with the ratio to Kafka without fsync."},
	{"Memory, start, recovery", "Idle 20 MB, 1 000 partitions 60 MB, 100 000 records/s 80 MB at most. From execution on an empty directory to the first acknowledged record 25 ms; after kill -9 with much data in 1 000 partitions 500 ms."},
	{"Catch-up reads", "80 % of what sendfile over loopback reaches in the same run; no payload above the crossover is copied through the node's memory."},
	{"Batch sizes × codecs", "No cell of 7 batch sizes × 5 codecs in which Kafka is faster; the median 2.5 times."},
	{"Three nodes", "Three local brokers, 3 replicas, acks=all: 3 times three Kafka brokers."},
}
