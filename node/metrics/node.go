package metrics

import (
	"os"
	goruntime "runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"odradek/core/record"
)

// node tells of the node as a whole.
func (s *scrape) node() {
	var brokers, fenced, leaders, under, underMin, offline, failed int64
	for b := range s.img.Brokers() {
		brokers++
		fenced += flag(b.Fenced)
	}
	var partitions int64
	for t := range s.img.Topics() {
		for _, p := range t.Partitions {
			partitions++
			under += flag(len(p.Isr) < len(p.Replicas))
			offline += flag(p.Leader == record.NoNode)
		}
	}
	for _, state := range s.states { // any order: sums
		leaders += flag(state.Leading)
		failed += flag(state.Failed)
		if t, ok := s.img.TopicByID(state.Stream.Topic); ok && int(state.Stream.Partition) < len(t.Partitions) {
			p := t.Partitions[state.Stream.Partition]
			underMin += flag(len(p.Isr) < min(int(state.MinInsync), len(p.Replicas)))
		}
	}
	s.gauge("kafka_brokers", "Registered brokers.", brokers)
	s.gauge("kafka_server_replicamanager_partitioncount", "Replicas on this node.", int64(len(s.states)))
	s.gauge("kafka_server_replicamanager_leadercount", "Replicas that this node leads.", leaders)
	s.gauge("kafka_server_replicamanager_underreplicatedpartitions", "Partitions with fewer in-sync replicas than replicas.", under)
	s.gauge("kafka_server_replicamanager_underminisrpartitioncount", "Partitions with fewer in-sync replicas than min.insync.replicas.", underMin)
	s.gauge("kafka_server_replicamanager_offlinereplicacount", "Replicas whose directory is given up.", failed)
	s.gauge("kafka_controller_kafkacontroller_activecontrollercount", "1: this node is the active controller.", flag(s.quorum.Active))
	s.gauge("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader.", offline)
	s.gauge("kafka_controller_kafkacontroller_globaltopiccount", "Topics.", int64(s.img.TopicCount()))
	s.gauge("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions.", partitions)
	s.gauge("kafka_controller_kafkacontroller_fencedbrokercount", "Brokers that do not serve.", fenced)
	s.counter("kafka_controller_controllerstats_uncleanleaderelections_total", "Partitions that got a leader which may lack records.", s.source.UncleanElections())
	for name, n := range s.source.Connections() { // any order: Prometheus sorts
		s.gauge("kafka_server_socket_server_metrics_connection_count", "Open connections.", int64(n), "listener", name)
	}
	f := s.source.FetchSessions()
	s.gauge("kafka_server_fetchsessioncache_numincrementalfetchsessions", "Fetch sessions.", int64(f.Sessions))
	s.gauge("kafka_server_fetchsessioncache_numincrementalfetchpartitionscached", "Partitions of all fetch sessions.", int64(f.Partitions))
	s.counter("kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total", "Fetch sessions that gave way to others.", f.Evicted)
	s.process()
}

// process tells of the Go runtime under the names that dashboards have for the JVM's: the panels mean the same.
func (s *scrape) process() {
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	s.gauge("jvm_memory_used_bytes", "Memory of the garbage-collected heap, which is Go's.", int64(m.HeapInuse), "area", "heap")
	s.gauge("jvm_memory_used_bytes", "Memory of the garbage-collected heap, which is Go's.", int64(m.Sys-m.HeapSys), "area", "nonheap")
	if p := pprof.Lookup("threadcreate"); p != nil {
		s.gauge("jvm_threads_current", "Threads of the process.", int64(p.Count()))
	}
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	s.counter("jvm_gc_collection_seconds_count", "Garbage collections, which are Go's.", gc.NumGC, "gc", "go")
	s.sample(prometheus.CounterValue, "jvm_gc_collection_seconds_sum", "Time that the process stood still for garbage collection.", gc.PauseTotal.Seconds(), "gc", "go")
}

// disks tells of the log directories.
func (s *scrape) disks() {
	d := s.source.Stats()
	s.counter("odradek_disk_fsyncs_total", "System calls that made data durable.", d.Fsyncs)
	s.counter("odradek_disk_sync_rounds_total", "Rounds of the commit: each makes all that waits durable.", d.Rounds)
	for _, space := range s.source.Spaces() {
		s.gauge("odradek_storage_disk_free_bytes", "Free space of a log directory's file system.", space.Free, "directory", space.Path)
		s.gauge("odradek_storage_disk_total_bytes", "Size of a log directory's file system.", space.Total, "directory", space.Path)
	}
	if read, written, ok := diskBytes(); ok {
		s.gauge("kafka_server_kafkaserver_linux_disk_read_bytes", "Bytes that this process had read from disks.", read)
		s.gauge("kafka_server_kafkaserver_linux_disk_write_bytes", "Bytes that this process had written to disks.", written)
	}
}

// diskBytes reads what Kafka reads for the same metrics: /proc/self/io.
func diskBytes() (read, written int64, ok bool) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, 0, false
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "read_bytes":
			read = n
		case "write_bytes":
			written = n
		}
	}
	return read, written, true
}

// peers tells of the connections to other nodes.
func (s *scrape) peers() {
	for _, p := range s.source.Peers() {
		node := strconv.Itoa(int(p.Node))
		s.gauge("odradek_peer_up", "1: the other node was reached when it was last asked for something.", flag(p.Up), "node", node, "lane", p.Lane.String())
		s.counter("odradek_peer_lost_total", "Connections to the other node that broke or could not be made.", p.Lost, "node", node, "lane", p.Lane.String())
	}
}

// metadataLog tells of the quorum.
func (s *scrape) metadataLog() {
	q := s.quorum
	state := q.Role.String()
	if q.Observer {
		state = "observer"
	}
	s.gauge("kafka_server_raftmetrics_current_state", "1 at the state that this node has in the quorum.", 1, "current_state", state)
	s.gauge("kafka_server_raftmetrics_current_leader", "Leader of the quorum; -1: none.", int64(q.Leader))
	s.gauge("kafka_server_raftmetrics_current_vote", "Candidate that this node voted for in the epoch; -1: none.", int64(q.Voted))
	s.gauge("kafka_server_raftmetrics_current_epoch", "Epoch of the quorum.", int64(q.Epoch))
	s.gauge("kafka_server_raftmetrics_high_watermark", "First offset of the metadata log that is not committed.", int64(q.HighWatermark))
	s.gauge("kafka_server_raftmetrics_log_end_offset", "End of the metadata log.", int64(q.LogEnd))
}
