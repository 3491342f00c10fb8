import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Drives Apache Kafka's Java clients for the tests of node/interop, which say what to demand of what it prints. The commands are those of kafka_python.py, and
 * records have the form of stream_test.go.
 */
public class JavaClient {
    static final int PARTITIONS = 4;
    static String broker;

    public static void main(String[] args) throws Exception {
        broker = args[1];
        switch (args[0]) {
            case "send": send(args[2], args[3], args[4]); break;
            case "read": read(args[2], Integer.parseInt(args[3])); break;
            case "admin": admin(); break;
            case "errors": errors(); break;
            case "rolling": rolling(args[2]); break;
            default: throw new IllegalArgumentException(args[0]);
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        p.put("acks", "all");
        p.put("linger.ms", "1");
        for (int i = 0; i < more.length; i += 2) {
            p.put(more[i], more[i + 1]);
        }
        return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer() {
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        p.put("auto.offset.reset", "none");
        p.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static void send(String topic, String codec, String idempotent) throws Exception {
        AtomicInteger acked = new AtomicInteger();
        AtomicReference<Exception> failed = new AtomicReference<>();
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 20));
        try (KafkaProducer<byte[], byte[]> producer = producer("compression.type", codec, "enable.idempotence", idempotent, "max.in.flight.requests.per.connection",
                idempotent.equals("true") ? "5" : "1")) {
            for (int partition; (partition = partitionOrEnd(in)) >= 0; ) {
                in.readLong();
                long timestamp = in.readLong();
                byte[] key = bytes(in);
                byte[] value = bytes(in);
                List<Header> headers = new ArrayList<>();
                for (int n = in.readInt(); n > 0; n--) {
                    headers.add(new RecordHeader(new String(bytes(in)), bytes(in)));
                }
                producer.send(new ProducerRecord<>(topic, partition, timestamp, key, value, headers), (where, e) -> {
                    if (e != null) {
                        failed.compareAndSet(null, e);
                    } else {
                        acked.incrementAndGet();
                    }
                });
            }
        }
        if (failed.get() != null) {
            throw failed.get();
        }
        System.out.println(acked);
    }

    static int partitionOrEnd(DataInputStream in) throws IOException {
        try {
            return in.readInt();
        } catch (EOFException e) {
            return -1;
        }
    }

    static byte[] bytes(DataInputStream in) throws IOException {
        int n = in.readInt();
        return n < 0 ? null : in.readNBytes(n);
    }

    static void bytes(DataOutputStream out, byte[] b) throws IOException {
        out.writeInt(b == null ? -1 : b.length);
        if (b != null) {
            out.write(b);
        }
    }

    static void read(String topic, int count) throws Exception {
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 20));
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            List<TopicPartition> all = new ArrayList<>();
            for (int p = 0; p < PARTITIONS; p++) {
                all.add(new TopicPartition(topic, p));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            while (count > 0) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMinutes(1))) {
                    out.writeInt(r.partition());
                    out.writeLong(r.offset());
                    out.writeLong(r.timestamp());
                    bytes(out, r.key());
                    bytes(out, r.value());
                    Header[] headers = r.headers().toArray();
                    out.writeInt(headers.length);
                    for (Header h : headers) {
                        bytes(out, h.key().getBytes());
                        bytes(out, h.value());
                    }
                    count--;
                }
            }
        }
        out.flush();
    }

    /** Prints a line of a report: what was done, and its result or the name of its exception. */
    static void report(String what, Callable<Object> f) {
        Object result;
        try {
            result = f.call();
        } catch (ExecutionException e) {
            result = e.getCause().getClass().getSimpleName();
        } catch (Exception e) {
            result = e.getClass().getSimpleName();
        }
        System.out.println(what + "\t" + result);
    }

    static Admin client() {
        return Admin.create(Map.of("bootstrap.servers", broker));
    }

    static final ConfigResource TOPIC = new ConfigResource(ConfigResource.Type.TOPIC, "a");

    static String config(Admin a, ConfigResource of, String key) throws Exception {
        return a.describeConfigs(Set.of(of)).all().get().get(of).get(key).value();
    }

    static Object alter(Admin a, ConfigResource of, String key, String value, AlterConfigOp.OpType op) throws Exception {
        a.incrementalAlterConfigs(Map.of(of, Set.of(new AlterConfigOp(new ConfigEntry(key, value), op)))).all().get();
        return config(a, of, key);
    }

    static void admin() throws Exception {
        TopicPartition first = new TopicPartition("a", 0);
        try (Admin a = client(); KafkaProducer<byte[], byte[]> producer = producer()) {
            report("create", () -> {
                NewTopic t = new NewTopic("a", Optional.of(2), Optional.empty()).configs(Map.of("retention.ms", "5000000"));
                return a.createTopics(Set.of(t)).numPartitions("a").get();
            });
            report("partitions", () -> {
                a.createPartitions(Map.of("a", NewPartitions.increaseTo(3))).all().get();
                return a.describeTopics(Set.of("a")).allTopicNames().get().get("a").partitions().size();
            });
            report("list", () -> a.listTopics().names().get());
            report("cluster", () -> a.describeCluster().nodes().get().size() + " " + a.describeCluster().controller().get().id() + " " + a.describeCluster().clusterId().get().length());
            report("config", () -> config(a, TOPIC, "retention.ms"));
            report("set", () -> alter(a, TOPIC, "segment.ms", "60000", AlterConfigOp.OpType.SET));
            report("delete config", () -> alter(a, TOPIC, "segment.ms", "", AlterConfigOp.OpType.DELETE));
            report("broker config", () -> alter(a, new ConfigResource(ConfigResource.Type.BROKER, ""), "log.retention.ms", "77", AlterConfigOp.OpType.SET));
            report("resources", () -> a.listConfigResources().all().get().stream().map(r -> r.type() + " " + r.name()).sorted().toList());
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>("a", 0, 1700000000000L + 1000 * i, null, "v".getBytes())).get();
            }
            report("delete records", () -> a.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(first).get().lowWatermark());
            Map<String, OffsetSpec> specs = new TreeMap<>(Map.of("earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest(), "newest", OffsetSpec.maxTimestamp(),
                "local", OffsetSpec.earliestLocal(), "tiered", OffsetSpec.latestTiered(), "time", OffsetSpec.forTimestamp(1700000006500L)));
            for (Map.Entry<String, OffsetSpec> s : specs.entrySet()) {
                report(s.getKey(), () -> a.listOffsets(Map.of(first, s.getValue())).partitionResult(first).get().offset());
            }
            report("log dirs", () -> a.describeLogDirs(Set.of(1)).allDescriptions().get().get(1).values().stream().map(d -> d.replicaInfos().size()).toList());
            report("producers", () -> a.describeProducers(Set.of(first)).partitionResult(first).get().activeProducers().size());
            report("elect", () -> a.electLeaders(ElectionType.PREFERRED, Set.of(first)).partitions().get().get(first).get().getClass().getSimpleName());
            report("reassignments", () -> a.listPartitionReassignments().reassignments().get());
            report("features", () -> a.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("metadata.version"));
            report("delete", () -> {
                a.deleteTopics(Set.of("a")).all().get();
                return a.listTopics().names().get();
            });
        }
    }

    static Object create(Admin a, String topic, int partitions, int replicas, Map<String, String> configs) throws Exception {
        a.createTopics(Set.of(new NewTopic(topic, partitions, (short) replicas).configs(configs))).all().get();
        return "created";
    }

    static void errors() throws Exception {
        Map<String, String> none = Map.of();
        ConfigResource nothing = new ConfigResource(ConfigResource.Type.TOPIC, "nothing");
        TopicPartition e = new TopicPartition("e", 0);
        try (Admin a = client(); KafkaProducer<byte[], byte[]> producer = producer("max.block.ms", "1000"); KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            report("a topic", () -> create(a, "e", 1, 1, Map.of("max.message.bytes", "500", "message.timestamp.before.max.ms", "1000")));
            report("it again", () -> create(a, "e", 1, 1, none));
            report("a name", () -> create(a, "a/b", 1, 1, none));
            report("no partitions", () -> create(a, "p", 0, 1, none));
            report("three replicas", () -> create(a, "p", 1, 3, none));
            report("a mistyped config", () -> create(a, "p", 1, 1, Map.of("retention.mss", "1")));
            report("an assignment to nobody", () -> a.createTopics(Set.of(new NewTopic("p", Map.of(0, List.of(77))))).all().get());
            report("deleting nothing", () -> a.deleteTopics(Set.of("nothing")).all().get());
            report("describing nothing", () -> a.describeTopics(Set.of("nothing")).allTopicNames().get());
            report("as many partitions as before", () -> a.createPartitions(Map.of("e", NewPartitions.increaseTo(1))).all().get());
            report("the configs of no topic", () -> config(a, nothing, "retention.ms"));
            report("a bad value", () -> alter(a, new ConfigResource(ConfigResource.Type.TOPIC, "e"), "segment.bytes", "-1", AlterConfigOp.OpType.SET));
            report("deleting records beyond the end", () -> a.deleteRecords(Map.of(e, RecordsToDelete.beforeOffset(50))).all().get());
            report("listing groups", () -> a.listGroups().all().get());
            report("quotas", () -> a.describeClientQuotas(org.apache.kafka.common.quota.ClientQuotaFilter.all()).entities().get());
            report("a record above max.message.bytes", () -> producer.send(new ProducerRecord<>("e", new byte[1000])).get());
            report("a record of an hour ago", () -> producer.send(new ProducerRecord<>("e", 0, System.currentTimeMillis() - 3600000, null, new byte[1])).get());
            report("producing to no topic", () -> producer.send(new ProducerRecord<>("nothing", new byte[1])).get());
            consumer.assign(Set.of(e));
            consumer.seek(e, 100);
            report("an offset beyond the end", () -> {
                for (int i = 0; i < 30; i++) {
                    consumer.poll(Duration.ofSeconds(1));
                }
                return "nothing";
            });
        }
    }

    /** Sends numbered records until the input ends and reads them at the same time, until all are read: lines "read PARTITION OFFSET NUMBER", "sent SENT ACKNOWLEDGED", "error ...". */
    static void rolling(String topic) throws Exception {
        AtomicInteger sent = new AtomicInteger();
        AtomicInteger acked = new AtomicInteger();
        AtomicBoolean stopping = new AtomicBoolean();
        AtomicBoolean ended = new AtomicBoolean();
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (IOException e) {
                System.out.println("error " + e);
            }
            stopping.set(true);
        });
        watch.setDaemon(true);
        watch.start();
        Thread reader = new Thread(() -> {
            List<TopicPartition> all = new ArrayList<>();
            for (int p = 0; p < PARTITIONS; p++) {
                all.add(new TopicPartition(topic, p));
            }
            int read = 0;
            try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
                consumer.assign(all);
                consumer.seekToBeginning(all);
                long late = Long.MAX_VALUE;
                while (!ended.get() || read < sent.get() && System.nanoTime() < late) {
                    late = ended.get() && late == Long.MAX_VALUE ? System.nanoTime() + 30_000_000_000L : late;
                    for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(100))) {
                        System.out.println("read " + r.partition() + " " + r.offset() + " " + java.nio.ByteBuffer.wrap(r.value()).getLong());
                        read++;
                    }
                }
            } catch (Exception e) {
                System.out.println("error reading: " + e);
            }
        });
        reader.start();
        try (KafkaProducer<byte[], byte[]> producer = producer("enable.idempotence", "true")) {
            while (!stopping.get()) {
                byte[] value = java.nio.ByteBuffer.allocate(8).putLong(sent.get()).array();
                producer.send(new ProducerRecord<>(topic, sent.getAndIncrement() % PARTITIONS, null, value), (where, e) -> {
                    if (e != null) {
                        System.out.println("error sending: " + e);
                    } else {
                        acked.incrementAndGet();
                    }
                });
                Thread.sleep(1);
            }
        }
        ended.set(true);
        reader.join();
        System.out.println("sent " + sent + " " + acked);
    }
}
