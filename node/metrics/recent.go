package metrics

import (
	goruntime "runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"odradek/core/api"
	"odradek/net/tcp"
)

// recent tells what held lately: quantiles of latency and how idle the node was. Kafka's meters weigh the last minutes; here it is the time since a look
// that is at least a minute old, or since the start. Looks are taken at scrapes.
type recent struct {
	source Source
	mu     sync.Mutex
	looks  []lately // the oldest is compared with
}

// window is how old the look should be that the present is compared with.
const window = time.Minute

// lately is one look.
type lately struct {
	at        time.Time
	busy      time.Duration
	cpu       time.Duration
	latencies map[api.Key]tcp.LatencyCounts
}

func newRecent(s Source) *recent { return &recent{source: s, looks: []lately{{at: time.Now()}}} }

func (r *recent) look() lately {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return lately{at: time.Now(), busy: r.source.Busy(), cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), latencies: r.source.Latencies()}
}

// compare returns the present and the look to compare it with. Looks closer than a quarter of the window are not kept: there are at most six.
func (r *recent) compare() (before, now lately) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.look()
	for len(r.looks) > 1 && now.at.Sub(r.looks[1].at) >= window {
		r.looks = r.looks[1:]
	}
	before = r.looks[0]
	if now.at.Sub(r.looks[len(r.looks)-1].at) >= window/4 {
		r.looks = append(r.looks[:len(r.looks):len(r.looks)], now)
	}
	return before, now
}

// quantiles are those of Kafka's JMX beans.
var quantiles = []float64{0.5, 0.75, 0.95, 0.98, 0.99, 0.999}

func (r *recent) send(s *scrape) {
	before, now := r.compare()
	wall := now.at.Sub(before.at)
	s.sample(prometheus.GaugeValue, "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
		"Share of the last minute in which no request was being decided, from 0 to 1.", idle(now.busy-before.busy, wall))
	s.sample(prometheus.GaugeValue, "kafka_network_socketserver_networkprocessoravgidle_percent",
		"Share of the last minute in which the processors had nothing to do for this process, from 0 to 1.",
		idle(now.cpu-before.cpu, wall*time.Duration(goruntime.GOMAXPROCS(0))))
	for key, counts := range now.latencies { // any order: Prometheus sorts
		request := key.String()
		var total, fresh int64
		past := before.latencies[key]
		for i, n := range counts.Buckets {
			total += n
			fresh += n - past.Buckets[i]
		}
		s.counter("kafka_network_requestmetrics_totaltimems_count", "Requests answered.", total, "request", request)
		for _, q := range quantiles {
			s.sample(prometheus.GaugeValue, "kafka_network_requestmetrics_totaltimems", "Milliseconds from the arrival of a request to its answer, in the last minute.",
				milliseconds(&counts, &past, fresh, q), "request", request, "quantile", strconv.FormatFloat(q, 'g', -1, 64))
		}
		s.histogram(request, &counts, total)
	}
}

func idle(busy, of time.Duration) float64 {
	if of <= 0 {
		return 1
	}
	return min(max(1-float64(busy)/float64(of), 0), 1)
}

// milliseconds is the quantile of the requests that came between two counts; 0 if there were none.
func milliseconds(now, past *tcp.LatencyCounts, fresh int64, q float64) float64 {
	need := q * float64(fresh)
	var seen int64
	for i := range now.Buckets {
		if n := now.Buckets[i] - past.Buckets[i]; n > 0 {
			if seen += n; float64(seen) >= need {
				return float64(tcp.Bound(i)) / 1000
			}
		}
	}
	return 0
}

// histogram sends the latencies as Prometheus's own histogram, whose quantiles can be taken over several nodes. Its bounds double from 64 µs to 16 s.
func (s *scrape) histogram(request string, c *tcp.LatencyCounts, total int64) {
	buckets := map[float64]uint64{}
	var below uint64
	next := int64(64)
	for i, n := range c.Buckets {
		for tcp.Bound(i) > next && next <= 1<<24 {
			buckets[float64(next)/1e6] = below
			next *= 2
		}
		below += uint64(n)
	}
	desc := prometheus.NewDesc("odradek_kafka_request_latency_seconds", "From the arrival of a request to its answer.", []string{"request"}, nil)
	s.out <- prometheus.MustNewConstHistogram(desc, uint64(total), float64(c.Sum)/1e6, buckets, request)
}
