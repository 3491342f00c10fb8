package brokers

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// javaFlags keep a short-lived Java process small and quick to start.
var javaFlags = []string{"-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}

// Java returns a command that runs a class of Apache Kafka's.
func Java(classpath, class string, args ...string) *exec.Cmd {
	return exec.Command("java", append(append(append([]string{}, javaFlags...), "-cp", classpath, class), args...)...)
}

// StartKafka formats a directory and runs Apache Kafka on it: broker and controller in one process.
func StartKafka(classpath, dir string, set map[string]string) (*Broker, error) {
	b := &Broker{Name: "Apache Kafka", Address: FreeAddress()}
	controller := FreeAddress()
	all := map[string]string{
		"process.roles": "broker,controller", "node.id": "1", "controller.quorum.voters": "1@" + controller,
		"listeners": "PLAINTEXT://" + b.Address + ",CONTROLLER://" + controller, "controller.listener.names": "CONTROLLER",
		"log.dirs": filepath.Join(dir, "data"), "group.initial.rebalance.delay.ms": "0",
		"offsets.topic.replication.factor": "1", "offsets.topic.num.partitions": "1",
		"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1", "transaction.state.log.num.partitions": "1",
	}
	maps.Copy(all, set)
	config := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(config, []byte(strings.Join(settings(all), "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	if out, err := Java(classpath, "kafka.tools.StorageTool", "format", "--cluster-id", ClusterID, "--config", config).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("storage format: %w\n%s", err, out)
	}
	return b, b.run(Java(classpath, "kafka.Kafka", config), dir)
}
