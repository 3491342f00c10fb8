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

// series are the samples of one name.
func (s scraped) series(name string) (n int) {
	for k := range s {
		if k == name || strings.HasPrefix(k, name+"{") {
			n++
		}
	}
	return n
}

// What the queries of dashboards read: kafka_exporter's (dashboard 7589) and those of Strimzi's for Kafka. Those of consumer groups and of the request
// handlers are not told yet.
var dashboards = map[string][]string{
	"/metrics": {"kafka_brokers", "kafka_server_brokertopicmetrics_messagesin_total", "kafka_server_brokertopicmetrics_bytesin_total",
		"kafka_server_brokertopicmetrics_bytesout_total", "kafka_server_brokertopicmetrics_totalproducerequests_total",
		"kafka_server_brokertopicmetrics_totalfetchrequests_total", "kafka_server_brokertopicmetrics_failedproducerequests_total",
		"kafka_server_replicamanager_leadercount", "kafka_server_replicamanager_partitioncount", "kafka_server_replicamanager_underreplicatedpartitions",
		"kafka_controller_kafkacontroller_activecontrollercount", "kafka_controller_kafkacontroller_offlinepartitionscount",
		"kafka_server_socket_server_metrics_connection_count", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"},
	"/metrics/detail": {"kafka_topic_partitions", "kafka_topic_partition_current_offset", "kafka_topic_partition_oldest_offset",
		"kafka_topic_partition_in_sync_replica", "kafka_topic_partition_leader", "kafka_topic_partition_leader_is_preferred",
		"kafka_topic_partition_replicas", "kafka_topic_partition_under_replicated_partition", "kafka_cluster_partition_underminisr",
		"kafka_cluster_partition_atminisr", "kafka_cluster_partition_replicascount", "kafka_log_log_size"},
}

// TestMetrics holds the pages against what dashboards ask for, and some values against the traffic that there was.
func TestMetrics(t *testing.T) {
	n := start(t)
	c := client(t, n, kgo.ConsumeTopics("seen"), kgo.FetchMaxWait(100*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	createTopic(t, c, "seen", 3)
	createTopic(t, c, "wide", 600) // more than one slice of a look
	sent, next := map[int32]int{}, map[int32]int{}
	for i := range int32(30) {
		send(t, c, "seen", sent, i%2)
	}
	expect(t, c, next, 30)
	pages := map[string]scraped{}
	for path, names := range dashboards {
		pages[path] = n.scrape(path)
		for _, name := range names {
			if pages[path].series(name) == 0 {
				t.Errorf("%s has no %s", path, name)
			}
		}
	}
	for path, want := range map[string]map[string]float64{
		"/metrics": {"kafka_brokers": 1, "kafka_server_brokertopicmetrics_messagesin_total": 30, "kafka_server_brokertopicmetrics_totalproducerequests_total": 30,
			"kafka_server_replicamanager_partitioncount": 603, "kafka_server_replicamanager_leadercount": 603,
			"kafka_server_replicamanager_underreplicatedpartitions": 0, "kafka_controller_kafkacontroller_offlinepartitionscount": 0,
			"kafka_controller_kafkacontroller_activecontrollercount": 1, "kafka_server_fetchsessioncache_numincrementalfetchsessions": 1},
		"/metrics/detail": {`kafka_topic_partitions{topic="seen"}`: 3, `kafka_topic_partition_current_offset{partition="1",topic="seen"}`: 15,
			`kafka_topic_partition_current_offset{partition="2",topic="seen"}`: 0, `kafka_topic_partition_oldest_offset{partition="1",topic="seen"}`: 0,
			`kafka_topic_partition_leader{partition="0",topic="seen"}`: 1, `kafka_topic_partition_leader_is_preferred{partition="0",topic="seen"}`: 1,
			`kafka_cluster_partition_underminisr{partition="599",topic="wide"}`: 0},
	} {
		for name, value := range want {
			if got, ok := pages[path][name]; !ok || got != value {
				t.Errorf("%s: %s is %v (there: %t), want %v", path, name, got, ok, value)
			}
		}
	}
	small, detail := pages["/metrics"], pages["/metrics/detail"]
	in, out := small["kafka_server_brokertopicmetrics_bytesin_total"], small["kafka_server_brokertopicmetrics_bytesout_total"]
	size := detail[`kafka_log_log_size{partition="0",topic="seen"}`] + detail[`kafka_log_log_size{partition="1",topic="seen"}`]
	if in == 0 || in != size || out < in {
		t.Errorf("%v bytes in, %v out, %v in the logs", in, out, size)
	}
	if len(small) > 200 {
		t.Errorf("/metrics has %d series", len(small))
	}
}
