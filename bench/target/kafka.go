package target

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"odradek/bench/kafka"
)

// Kafka is Apache Kafka, broker and controller in one, on a directory of its own.
type Kafka struct {
	process
	classpath string
	dir       string
	set       []string
	place     Place
	voters    []Place
	formatted bool
}

// kafkaJVM are the options that Apache Kafka's own start script gives a broker (kafka-server-start.sh and kafka-run-class.sh of 4.x), and no others.
var kafkaJVM = []string{"-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
	"-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"}

// toolJVM are those of its command line tools.
var toolJVM = []string{"-Xmx512m", "-XX:+UseG1GC", "-Djava.awt.headless=true"}

// KafkaJVM says what a broker's virtual machine is started with.
func KafkaJVM() string { return strings.Join(kafkaJVM, " ") }

// Classpath is that of a directory which scripts/kafka-jars filled, with the version of Kafka.
func Classpath(dir string) (classpath, version string, err error) {
	found, err := filepath.Glob(filepath.Join(dir, "classpath-*"))
	if err != nil || len(found) == 0 {
		return "", "", fmt.Errorf("%s holds no Apache Kafka: fill it with scripts/kafka-jars %s", dir, dir)
	}
	// The file names absolute paths of when it was made; the jars lie beside it.
	version, _ = strings.CutPrefix(filepath.Base(found[len(found)-1]), "classpath-")
	jars, err := filepath.Abs(filepath.Join(dir, "jars-"+version))
	if err != nil {
		return "", "", err
	}
	if _, err := os.Stat(jars); err != nil {
		return "", "", fmt.Errorf("%s holds no jars: fill it with scripts/kafka-jars %s", dir, dir)
	}
	return jars + ":" + filepath.Join(jars, "*"), version, nil
}

// KafkaTool is a command that runs a class of Apache Kafka's.
func KafkaTool(ctx context.Context, classpath, class string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "java", append(append(append([]string{}, toolJVM...), "-cp", classpath, class), args...)...)
}

// NewKafka describes a broker that is not started yet; place and voters are empty for one by itself.
func NewKafka(classpath, dir string, set []string, place Place, voters []Place) *Kafka {
	return &Kafka{classpath: classpath, dir: dir, set: set, place: place, voters: voters}
}

// Name is what it is.
func (k *Kafka) Name() string { return "Apache Kafka" }

// Address is where clients find it, known once it was started.
func (k *Kafka) Address() string { return k.place.Clients }

// Data is its log directory.
func (k *Kafka) Data() string { return filepath.Join(k.dir, "data") }

// kafkaReadyMax bounds the start of a virtual machine beside others.
const kafkaReadyMax = 90 * time.Second

// Bootstrap starts it, formatting its directory the first time, and waits until it answers.
func (k *Kafka) Bootstrap(ctx context.Context) ([]string, error) {
	if k.running() {
		return []string{k.place.Clients}, nil
	}
	if err := k.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(kafkaReadyMax); time.Now().Before(deadline) && k.running() && ctx.Err() == nil; time.Sleep(10 * readyPause) {
		if kafka.Ready([]string{k.place.Clients}, max(1, len(k.voters))) == nil {
			return []string{k.place.Clients}, nil
		}
	}
	_ = k.Close()
	return nil, fmt.Errorf("%w: Apache Kafka is not ready after %v:\n%s", ErrUnreachable, kafkaReadyMax, k.log.String())
}

// Start executes it and does not wait for it.
func (k *Kafka) Start() error {
	if err := k.Format(); err != nil {
		return err
	}
	args := append(append([]string{}, kafkaJVM...), "-cp", k.classpath, "kafka.Kafka", k.config())
	return k.start("java", args...)
}

func (k *Kafka) config() string { return filepath.Join(k.dir, "server.properties") }

// Format makes its directory, as `kafka-storage format` does, once.
func (k *Kafka) Format() error {
	if k.formatted {
		return nil
	}
	if k.place.Clients == "" {
		places, err := Places(1)
		if err != nil {
			return err
		}
		k.place = places[0]
	}
	voters := k.voters
	if len(voters) == 0 {
		voters = []Place{k.place}
	}
	lines := []string{"process.roles=broker,controller", fmt.Sprintf("node.id=%d", k.place.ID), "controller.quorum.voters=" + quorum(voters),
		"listeners=PLAINTEXT://" + k.place.Clients + ",CONTROLLER://" + k.place.Controllers, "controller.listener.names=CONTROLLER", "log.dirs=" + k.Data(),
		"group.initial.rebalance.delay.ms=0", "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1",
		"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1", "transaction.state.log.num.partitions=1"}
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(k.config(), []byte(strings.Join(append(lines, k.set...), "\n")+"\n"), 0o644); err != nil {
		return err
	}
	out, err := KafkaTool(context.Background(), k.classpath, "kafka.tools.StorageTool", "format", "--cluster-id", clusterID, "--config", k.config()).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: get it with: apt-get install openjdk-17-jre-headless", err)
	} else if err != nil {
		return fmt.Errorf("kafka-storage format: %w\n%s", err, out)
	}
	k.formatted = true
	return nil
}

// DiskBytes adds up the topic's log files.
func (k *Kafka) DiskBytes(topic string) int64 { return logBytes(k.Data(), topic) }
