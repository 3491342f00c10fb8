package interop

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// scraped are the samples of a page: by name and labels as they are written.
type scraped map[string]float64

func (n *node) scrape(path string) scraped {
	n.t.Helper()
	resp, err := http.Get("http://" + n.admin + path)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		n.t.Fatalf("%s: %s, %v\n%s", path, resp.Status, err, page)
	}
	out := scraped{}
	for line := range strings.Lines(string(page)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if out[line[:at]], err = strconv.ParseFloat(line[at+1:], 64); err != nil {
			n.t.Fatalf("%s: %q", path, line)
		}
	}
	return out
}

// matching counts the samples of a name whose labels fit: each name=value demands that label, name!= that it is there and not empty.
func (s scraped) matching(query string) (n int) {
	name, labels, _ := strings.Cut(strings.TrimSuffix(query, "}"), "{")
	for sample := range s { // any order: a count
		sampleName, has, _ := strings.Cut(strings.TrimSuffix(sample, "}"), "{")
		if sampleName != name {
			continue
		}
		fits := true
		for label := range strings.SplitSeq(labels, ",") {
			key, value, equal := strings.Cut(label, "=")
			switch {
			case label == "":
			case strings.HasSuffix(key, "!"):
				fits = fits && strings.Contains(","+has, ","+strings.TrimSuffix(key, "!")+`="`)
			case equal:
				fits = fits && strings.Contains(","+has+",", ","+key+`="`+value+`",`)
			}
		}
		if fits {
			n++
		}
	}
	return n
}

// dashboards are what the panels and variables of two dashboards read, as of August 2026: kafka_exporter's (number 7589) and Strimzi's strimzi-kafka and
// strimzi-kraft. label! is a label that they select or group by. Left out is what other processes tell: container_* and kubelet_* are Kubernetes's, and
// strimzi-kraft's raftchannelmetrics_* are of traffic between controllers, which one has none of. Missing until there are groups: kafka_consumergroup_lag and
// kafka_consumergroup_current_offset.
var dashboards = []string{
	"kafka_topic_partition_current_offset{topic!,partition!}", "kafka_topic_partitions{topic!}", "kafka_brokers", "kafka_topic_partition_oldest_offset{topic!}",
	"kafka_topic_partition_in_sync_replica{topic!}", "kafka_topic_partition_leader{topic!}", "kafka_topic_partition_leader_is_preferred{topic!}",
	"kafka_topic_partition_replicas{topic!}", "kafka_topic_partition_under_replicated_partition{topic!}",

	"kafka_server_brokertopicmetrics_bytesin_total{topic!}", "kafka_server_brokertopicmetrics_bytesout_total{topic!}",
	"kafka_server_brokertopicmetrics_messagesin_total{topic!}", "kafka_server_brokertopicmetrics_totalproducerequests_total{topic!}",
	"kafka_server_brokertopicmetrics_totalfetchrequests_total{topic!}", "kafka_server_brokertopicmetrics_failedproducerequests_total{topic!}",
	"kafka_server_brokertopicmetrics_failedfetchrequests_total{topic!}", "kafka_log_log_size{topic!,partition!}",
	"kafka_server_replicamanager_leadercount", "kafka_server_replicamanager_partitioncount", "kafka_server_replicamanager_underreplicatedpartitions",
	"kafka_cluster_partition_atminisr{topic!}", "kafka_cluster_partition_underminisr{topic!}", "kafka_cluster_partition_replicascount{topic!,partition!}",
	"kafka_controller_kafkacontroller_activecontrollercount", "kafka_controller_kafkacontroller_offlinepartitionscount",
	"kafka_controller_controllerstats_uncleanleaderelections_total", "kafka_server_socket_server_metrics_connection_count{listener!}",
	"kafka_network_socketserver_networkprocessoravgidle_percent", "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
	"kafka_server_kafkaserver_linux_disk_read_bytes", "kafka_server_kafkaserver_linux_disk_write_bytes", "process_open_fds", "process_cpu_seconds_total",
	"jvm_memory_used_bytes", "jvm_threads_current", "jvm_gc_collection_seconds_count", "jvm_gc_collection_seconds_sum",

	"kafka_server_raftmetrics_current_leader", "kafka_server_raftmetrics_current_state{current_state=leader}", "kafka_server_raftmetrics_current_epoch",
	"kafka_server_raftmetrics_current_vote", "kafka_server_raftmetrics_high_watermark", "kafka_server_raftmetrics_log_end_offset",

	"kafka_network_requestmetrics_totaltimems{request=Produce,quantile=0.99}", "kafka_network_requestmetrics_totaltimems{request=Fetch,quantile=0.5}",
	"odradek_kafka_request_latency_seconds_count{request=Produce}", "odradek_storage_disk_free_bytes{directory!}",
}

// wantSamples holds samples of a page against what they must be.
func wantSamples(t *testing.T, page scraped, want scraped) {
	t.Helper()
	for name, value := range want { // any order: each by itself
		if got, ok := page[name]; !ok || got != value {
			t.Errorf("%s is %v (there: %t), want %v", name, got, ok, value)
		}
	}
}

// TestMetrics holds the pages against what dashboards ask for, and some values against the traffic that there was; then a node with many partitions against
// the bound of /metrics, whose sums must be those of /metrics/detail.
func TestMetrics(t *testing.T) {
	n := start(t)
	c := client(t, n, kgo.ConsumeTopics("seen"), kgo.FetchMaxWait(100*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	createTopic(t, c, "seen", 3)
	sent, next := map[int32]int{}, map[int32]int{}
	for i := range int32(30) {
		send(t, c, "seen", sent, i%2)
	}
	expect(t, c, next, 30)
	small := n.scrape("/metrics")
	for _, query := range dashboards {
		if small.matching(query) == 0 {
			t.Errorf("/metrics has no %s", query)
		}
	}
	wantSamples(t, small, scraped{"kafka_brokers": 1, "kafka_server_brokertopicmetrics_messagesin_total": 30, `kafka_server_brokertopicmetrics_messagesin_total{topic="seen"}`: 30,
		`kafka_server_brokertopicmetrics_totalproducerequests_total{topic="seen"}`: 30, `kafka_server_brokertopicmetrics_messagesin_total{topic="(others)"}`: 0,
		`kafka_network_requestmetrics_totaltimems_count{request="Produce"}`: 30, `odradek_kafka_request_latency_seconds_bucket{request="Produce",le="+Inf"}`: 30,
		"kafka_server_replicamanager_partitioncount": 3, "kafka_server_fetchsessioncache_numincrementalfetchsessions": 1,
		`kafka_topic_partitions{topic="seen"}`: 3, `kafka_topic_partition_current_offset{partition="1",topic="seen"}`: 15,
		`kafka_topic_partition_current_offset{partition="2",topic="seen"}`: 0, `kafka_topic_partition_leader{partition="0",topic="seen"}`: 1})
	in, out := small["kafka_server_brokertopicmetrics_bytesin_total"], small["kafka_server_brokertopicmetrics_bytesout_total"]
	size := small[`kafka_log_log_size{partition="0",topic="seen"}`] + small[`kafka_log_log_size{partition="1",topic="seen"}`]
	if in == 0 || in != size || out < in {
		t.Errorf("%v bytes in, %v out, %v in the logs", in, out, size)
	}
	if ms := small[`kafka_network_requestmetrics_totaltimems{quantile="0.5",request="Produce"}`]; ms <= 0 || ms > 10_000 {
		t.Errorf("half of the Produce requests took less than %v ms", ms)
	}

	for _, topic := range []string{"wide", "wider"} {
		createTopic(t, c, topic, 300) // more than one slice of a look
	}
	for i := range 60 {
		createTopic(t, c, "many-"+strconv.Itoa(i), 1)
	}
	small, detail := n.scrape("/metrics"), n.scrape("/metrics/detail")
	if len(small) > 1500 || small.matching("kafka_topic_partitions{topic!}") != 51 || small.matching("kafka_log_log_size{partition!}") != 0 {
		t.Errorf("/metrics has %d samples, of %d topics", len(small), small.matching("kafka_topic_partitions{topic!}"))
	}
	if got := detail.matching("kafka_cluster_partition_underminisr{topic!,partition!}"); got != 663 {
		t.Errorf("/metrics/detail tells of %d partitions", got)
	}
	wantSamples(t, small, scraped{`kafka_topic_partitions{topic="seen"}`: 3, `kafka_topic_partition_current_offset{topic="seen"}`: 30,
		`kafka_log_log_size{topic="seen"}`: size, "kafka_server_replicamanager_leadercount": 663})
	for _, name := range []string{"kafka_topic_partitions", "kafka_topic_partition_current_offset", "kafka_log_log_size", "kafka_topic_partition_replicas"} {
		if a, b := small.sum(name), detail.sum(name); a != b {
			t.Errorf("all %s: %v on /metrics, %v in detail", name, a, b)
		}
	}
}

// sum adds the samples of a name.
func (s scraped) sum(name string) (total float64) {
	for sample, value := range s { // any order: whole numbers
		if strings.HasPrefix(sample, name+"{") {
			total += value
		}
	}
	return total
}
