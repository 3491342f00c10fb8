// Package metrics tells Prometheus of a node under the names that dashboards for Kafka read: those of kafka_exporter and of Strimzi's JMX rules. /metrics has
// a few dozen series whatever the number of topics; /metrics/detail has what there is one of for each topic and partition.
package metrics

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"odradek/core"
	"odradek/core/fetch"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/store"
	"odradek/node/runtime"
)

// Source is a node as its metrics see it.
type Source interface {
	Image() *image.Image
	Partitions(ctx context.Context) ([]core.PartitionState, error)
	Traffic() runtime.Traffic
	FetchSessions() fetch.SessionStats
	Stats() store.Stats
	Connections() int
}

// patience bounds a scrape.
const patience = 5 * time.Second

// Handlers returns what answers /metrics and /metrics/detail.
func Handlers(s Source) (small, detail http.Handler) {
	few, many := prometheus.NewRegistry(), prometheus.NewRegistry()
	few.MustRegister(collector{s, summary}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	many.MustRegister(collector{s, details})
	return promhttp.HandlerFor(few, promhttp.HandlerOpts{}), promhttp.HandlerFor(many, promhttp.HandlerOpts{})
}

// collector looks at the node at each scrape. It describes nothing beforehand: which series there are depends on the topics.
type collector struct {
	source  Source
	collect func(*scrape)
}

// scrape is one look at the node.
type scrape struct {
	source Source
	img    *image.Image
	states map[stream.ID]core.PartitionState // of this node's replicas
	out    chan<- prometheus.Metric
}

// Describe does nothing: see collector.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect takes one look.
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	states, err := c.source.Partitions(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
		return
	}
	s := scrape{source: c.source, img: c.source.Image(), states: make(map[stream.ID]core.PartitionState, len(states)), out: out}
	for i := range states {
		s.states[states[i].Stream] = states[i] // the look took several turns: a replica may be there twice
	}
	c.collect(&s)
}

func (s *scrape) send(kind prometheus.ValueType, name, help string, value int64, labels ...string) {
	names, values := []string(nil), []string(nil)
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	s.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, float64(value), values...)
}

func (s *scrape) gauge(name, help string, value int64, labels ...string) {
	s.send(prometheus.GaugeValue, name, help, value, labels...)
}

func (s *scrape) counter(name, help string, value int64) {
	s.send(prometheus.CounterValue, name, help, value)
}

// summary is /metrics.
func summary(s *scrape) {
	var brokers, leaders, under, offline int64
	for range s.img.Brokers() {
		brokers++
	}
	for t := range s.img.Topics() {
		for _, p := range t.Partitions {
			under += flag(len(p.Isr) < len(p.Replicas))
			offline += flag(p.Leader == record.NoNode)
		}
	}
	for _, state := range s.states {
		leaders += flag(state.Leading)
	}
	s.gauge("kafka_brokers", "Registered brokers.", brokers)
	s.gauge("kafka_server_replicamanager_partitioncount", "Replicas on this node.", int64(len(s.states)))
	s.gauge("kafka_server_replicamanager_leadercount", "Replicas that this node leads.", leaders)
	s.gauge("kafka_server_replicamanager_underreplicatedpartitions", "Partitions with fewer in-sync replicas than replicas.", under)
	s.gauge("kafka_controller_kafkacontroller_activecontrollercount", "1: this node is the active controller.", 1)
	s.gauge("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader.", offline)
	s.gauge("kafka_server_socket_server_metrics_connection_count", "Open connections.", int64(s.source.Connections()))
	t := s.source.Traffic()
	s.counter("kafka_server_brokertopicmetrics_messagesin_total", "Records appended for clients.", t.MessagesIn)
	s.counter("kafka_server_brokertopicmetrics_bytesin_total", "Bytes of the batches appended for clients.", t.BytesIn)
	s.counter("kafka_server_brokertopicmetrics_bytesout_total", "Bytes of the batches that fetches were answered with.", t.BytesOut)
	s.counter("kafka_server_brokertopicmetrics_totalproducerequests_total", "Produce requests answered.", t.ProduceRequests)
	s.counter("kafka_server_brokertopicmetrics_totalfetchrequests_total", "Fetch requests answered.", t.FetchRequests)
	s.counter("kafka_server_brokertopicmetrics_failedproducerequests_total", "Partitions of Produce requests that were refused.", t.FailedProduceRequests)
	f := s.source.FetchSessions()
	s.gauge("kafka_server_fetchsessioncache_numincrementalfetchsessions", "Fetch sessions.", int64(f.Sessions))
	s.gauge("kafka_server_fetchsessioncache_numincrementalfetchpartitionscached", "Partitions of all fetch sessions.", int64(f.Partitions))
	s.counter("kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total", "Fetch sessions that gave way to others.", f.Evicted)
	d := s.source.Stats()
	s.counter("odradek_disk_fsyncs_total", "System calls that made data durable.", d.Fsyncs)
	s.counter("odradek_disk_sync_rounds_total", "Rounds of the commit: each makes all that waits durable.", d.Rounds)
}

// details is /metrics/detail.
func details(s *scrape) {
	for t := range s.img.Topics() {
		s.gauge("kafka_topic_partitions", "Partitions of a topic.", int64(len(t.Partitions)), "topic", t.Name)
		for i, p := range t.Partitions {
			labels := []string{"topic", t.Name, "partition", strconv.Itoa(i)}
			of := func(name, help string, value int64) { s.gauge(name, help, value, labels...) }
			of("kafka_topic_partition_leader", "Node that leads the partition; -1: none.", int64(p.Leader))
			of("kafka_topic_partition_leader_is_preferred", "1: the preferred replica leads.", flag(len(p.Replicas) > 0 && p.Leader == p.Replicas[0]))
			of("kafka_topic_partition_replicas", "Replicas of the partition.", int64(len(p.Replicas)))
			of("kafka_topic_partition_in_sync_replica", "In-sync replicas of the partition.", int64(len(p.Isr)))
			of("kafka_topic_partition_under_replicated_partition", "1: fewer in-sync replicas than replicas.", flag(len(p.Isr) < len(p.Replicas)))
			of("kafka_cluster_partition_replicascount", "Replicas of the partition.", int64(len(p.Replicas)))
			state, ok := s.states[stream.ID{Topic: t.ID, Partition: int32(i)}]
			if !ok {
				continue
			}
			least := min(int(state.MinInsync), len(p.Replicas)) // as it acts
			of("kafka_cluster_partition_underminisr", "1: fewer in-sync replicas than min.insync.replicas.", flag(len(p.Isr) < least))
			of("kafka_cluster_partition_atminisr", "1: as many in-sync replicas as min.insync.replicas.", flag(len(p.Isr) == least))
			of("kafka_topic_partition_current_offset", "High watermark: the offset of the next record that consumers get.", int64(state.HighWatermark))
			of("kafka_topic_partition_oldest_offset", "Log start.", int64(state.LogStart))
			of("kafka_log_log_size", "Bytes in the partition's segments.", state.Bytes)
		}
	}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
