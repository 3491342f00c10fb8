// Package metrics tells Prometheus of a node under the names that dashboards for Kafka read: those of kafka_exporter and of Strimzi's JMX rules.
//
// /metrics/detail has a series for each topic and partition. /metrics is the same on a small node; on one with more than PartitionsMax partitions it sums
// them by topic, and with more than TopicsMax topics it names the busiest and sums the rest under the name (others). A dashboard works on either: scrape one of them.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/fetch"
	"odradek/core/image"
	"odradek/core/stream"
	"odradek/disk/store"
	"odradek/net/tcp"
	"odradek/node/runtime"
)

// Bounds of /metrics.
const (
	PartitionsMax = 50
	TopicsMax     = 50
)

// Source is a node as its metrics see it.
type Source interface {
	Image() *image.Image
	Inspect(ctx context.Context) (runtime.Look, error)
	Traffic() runtime.Traffic
	TopicTraffic() (topics map[string]runtime.Traffic, gone runtime.Traffic)
	FetchSessions() fetch.SessionStats
	Stats() store.Stats
	Spaces() []runtime.Space
	Connections() map[string]int
	Peers() []runtime.PeerState
	Latencies() map[api.Key]tcp.LatencyCounts
	Busy() time.Duration
	UncleanElections() int64
}

// patience bounds a scrape.
const patience = 5 * time.Second

// Handlers returns what answers /metrics and /metrics/detail.
func Handlers(s Source) (small, detail http.Handler) {
	recent := newRecent(s)
	page := func(whole bool) http.Handler {
		r := prometheus.NewRegistry()
		r.MustRegister(&collector{s, recent, whole}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	}
	return page(false), page(true)
}

// collector looks at the node at each scrape. It describes nothing beforehand: which series there are depends on the topics.
type collector struct {
	source Source
	recent *recent
	whole  bool // every partition has its series
}

// scrape is one look at the node.
type scrape struct {
	source Source
	img    *image.Image
	states map[stream.ID]core.PartitionState // of this node's replicas
	quorum core.QuorumState
	out    chan<- prometheus.Metric
}

// Describe does nothing: see collector.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect takes one look.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	look, err := c.source.Inspect(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
		return
	}
	s := scrape{source: c.source, img: c.source.Image(), states: make(map[stream.ID]core.PartitionState, len(look.Partitions)), quorum: look.Quorum, out: out}
	for i := range look.Partitions {
		s.states[look.Partitions[i].Stream] = look.Partitions[i] // the look took several turns: a replica may be there twice
	}
	s.node()
	s.disks()
	s.metadataLog()
	s.peers()
	c.recent.send(&s)
	s.topics(c.whole)
}

// sample sends one sample; labels are names and values in turn.
func (s *scrape) sample(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
	names, values := []string(nil), []string(nil)
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	s.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
}

func (s *scrape) gauge(name, help string, value int64, labels ...string) {
	s.sample(prometheus.GaugeValue, name, help, float64(value), labels...)
}

func (s *scrape) counter(name, help string, value int64, labels ...string) {
	s.sample(prometheus.CounterValue, name, help, float64(value), labels...)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
