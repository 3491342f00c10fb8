package metrics

import (
	"cmp"
	"slices"
	"strconv"

	"odradek/core/image"
	"odradek/core/stream"
	"odradek/node/runtime"
)

// partitionSeries are the numbers that there are of each partition, and that sum up to a topic's.
type partitionSeries struct {
	replicas, inSync, under         int64
	underMin, atMin                 int64
	highWatermark, logStart, logEnd int64
	bytes                           int64
	here                            bool // this node has a replica
}

func (p *partitionSeries) add(q partitionSeries) {
	p.replicas += q.replicas
	p.inSync += q.inSync
	p.under += q.under
	p.underMin += q.underMin
	p.atMin += q.atMin
	p.highWatermark += q.highWatermark
	p.logStart += q.logStart
	p.logEnd += q.logEnd
	p.bytes += q.bytes
	p.here = p.here || q.here
}

// topics tells of each topic: of its partitions one by one, or of their sums if that were too many.
func (s *scrape) topics(whole bool) {
	traffic, gone := s.source.TopicTraffic()
	var all []*image.Topic
	partitions := 0
	for t := range s.img.Topics() {
		all = append(all, t)
		partitions += len(t.Partitions)
	}
	named := len(all)
	if !whole && named > TopicsMax {
		slices.SortStableFunc(all, func(a, b *image.Topic) int {
			return cmp.Compare(traffic[b.Name].BytesIn+traffic[b.Name].BytesOut, traffic[a.Name].BytesIn+traffic[a.Name].BytesOut)
		})
		named = TopicsMax
	}
	for _, t := range all[:named] {
		s.gauge("kafka_topic_partitions", "Partitions of a topic.", int64(len(t.Partitions)), "topic", t.Name)
		s.traffic(t.Name, traffic[t.Name])
		if whole || partitions <= PartitionsMax {
			s.partitions(t)
		} else {
			s.sums(t.Name, []*image.Topic{t})
		}
	}
	// What has no name of its own is told together, so that sums over all topics are right. As Kafka does, the whole node's is told without a topic, too.
	for _, t := range all[named:] {
		of := traffic[t.Name]
		gone.Add(&of)
	}
	s.traffic(others, gone)
	s.traffic("", s.source.Traffic())
	if named < len(all) {
		rest := int64(0)
		for _, t := range all[named:] {
			rest += int64(len(t.Partitions))
		}
		s.gauge("kafka_topic_partitions", "Partitions of a topic.", rest, "topic", others)
		s.sums(others, all[named:])
	}
}

// others stands for topics without series of their own: beyond TopicsMax, or deleted. No topic can be called so.
const others = "(others)"

// traffic tells of a topic's traffic, of the node's if it has no name.
func (s *scrape) traffic(topic string, t runtime.Traffic) {
	var labels []string
	if topic != "" {
		labels = []string{"topic", topic}
	}
	of := func(name, help string, value int64) {
		s.counter("kafka_server_brokertopicmetrics_"+name+"_total", help, value, labels...)
	}
	of("messagesin", "Records appended for clients.", t.MessagesIn)
	of("bytesin", "Bytes of the batches appended for clients.", t.BytesIn)
	of("bytesout", "Bytes of the batches that consumers' fetches were answered with.", t.BytesOut)
	if topic == "" { // as Kafka has them
		of("replicationbytesin", "Bytes of the batches that were copied from leaders.", t.CopiedIn)
		of("replicationbytesout", "Bytes of the batches that followers' fetches were answered with.", t.CopiedOut)
	}
	of("totalproducerequests", "Partitions of Produce requests that were answered.", t.ProduceRequests)
	of("totalfetchrequests", "Partitions of Fetch requests that were answered, followers' too.", t.FetchRequests)
	of("failedproducerequests", "Partitions of Produce requests that were refused.", t.FailedProduceRequests)
	of("failedfetchrequests", "Partitions of Fetch requests that were refused.", t.FailedFetchRequests)
}

func (s *scrape) series(t *image.Topic, i int) partitionSeries {
	p := t.Partitions[i]
	n := partitionSeries{replicas: int64(len(p.Replicas)), inSync: int64(len(p.Isr)), under: flag(len(p.Isr) < len(p.Replicas))}
	if state, ok := s.states[stream.ID{Topic: t.ID, Partition: int32(i)}]; ok {
		least := min(int(state.MinInsync), len(p.Replicas)) // as it acts
		n.underMin, n.atMin = flag(len(p.Isr) < least), flag(len(p.Isr) == least)
		n.highWatermark, n.logStart, n.logEnd = int64(state.HighWatermark), int64(state.LogStart), int64(state.LogEnd)
		n.bytes, n.here = state.Bytes, true
	}
	return n
}

// partitions tells of each partition of a topic.
func (s *scrape) partitions(t *image.Topic) {
	for i, p := range t.Partitions {
		labels := []string{"topic", t.Name, "partition", strconv.Itoa(i)}
		s.gauge("kafka_topic_partition_leader", "Node that leads the partition; -1: none.", int64(p.Leader), labels...)
		s.gauge("kafka_topic_partition_leader_is_preferred", "1: the preferred replica leads.", flag(len(p.Replicas) > 0 && p.Leader == p.Replicas[0]), labels...)
		s.numbers(s.series(t, i), labels)
	}
}

// sums tells of topics' partitions together.
func (s *scrape) sums(name string, topics []*image.Topic) {
	var sum partitionSeries
	for _, t := range topics {
		for i := range t.Partitions {
			sum.add(s.series(t, i))
		}
	}
	s.numbers(sum, []string{"topic", name})
}

func (s *scrape) numbers(n partitionSeries, labels []string) {
	of := func(name, help string, value int64) { s.gauge(name, help, value, labels...) }
	of("kafka_topic_partition_replicas", "Replicas of the partition.", n.replicas)
	of("kafka_topic_partition_in_sync_replica", "In-sync replicas of the partition.", n.inSync)
	of("kafka_topic_partition_under_replicated_partition", "1: fewer in-sync replicas than replicas.", n.under)
	of("kafka_cluster_partition_replicascount", "Replicas of the partition.", n.replicas)
	if !n.here {
		return
	}
	of("kafka_cluster_partition_underminisr", "1: fewer in-sync replicas than min.insync.replicas.", n.underMin)
	of("kafka_cluster_partition_atminisr", "1: as many in-sync replicas as min.insync.replicas.", n.atMin)
	of("kafka_topic_partition_current_offset", "High watermark: the offset of the next record that consumers get.", n.highWatermark)
	of("kafka_topic_partition_oldest_offset", "Log start.", n.logStart)
	of("kafka_log_log_logstartoffset", "Log start.", n.logStart)
	of("kafka_log_log_logendoffset", "Offset that the next record gets.", n.logEnd)
	of("kafka_log_log_size", "Bytes in the partition's segments.", n.bytes)
}
