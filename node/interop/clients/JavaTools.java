import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's command line tools one after the other in one process, for cmd/toolscheck: starting a process for each would take longer than all they do.
 *
 * A command comes in as the class, the number of arguments, the arguments (each with its length), and what the tool is to find on its standard input. The answer is
 * the exit status, what it wrote to standard output, and what it wrote to standard error.
 */
public class JavaTools {
    /** How long what a tool hung into the end of the process may take. */
    private static final long HOOK_MILLIS = 15_000;

    /** Ends a tool where the process would have ended. It is an Error, since tools catch exceptions. */
    private static final class Exited extends Error {
        Exited() {
            super("the tool has ended", null, false, false);
        }
    }

    /**
     * A stream that keeps what is written to it until the tool has ended. Loggers hold on to it, so it is the same for all commands. What the tool's own thread writes
     * after its exit is dropped: the process would not have said it any more. What its hooks and the clients' threads say meanwhile is kept.
     */
    private static final class Capture extends OutputStream {
        private final ByteArrayOutputStream kept = new ByteArrayOutputStream();

        @Override public void write(int b) {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override public synchronized void write(byte[] b, int from, int count) {
            if (status == null || Thread.currentThread() != toolThread) {
                kept.write(b, from, count);
            }
        }

        synchronized byte[] take() {
            byte[] said = kept.toByteArray();
            kept.reset();
            return said;
        }
    }

    private static final Thread toolThread = Thread.currentThread();
    private static volatile Integer status;
    private static final Capture OUT = new Capture();
    private static final Capture ERR = new Capture();
    private static final List<Runnable> HOOKS = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        DataInputStream in = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(System.out);
        System.setOut(new PrintStream(OUT, true));
        System.setErr(new PrintStream(ERR, true));
        Exit.setExitProcedure((code, message) -> exit(code));
        Exit.setHaltProcedure((code, message) -> exit(code));
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
        while (true) {
            String tool;
            try {
                tool = in.readUTF();
            } catch (EOFException end) {
                Runtime.getRuntime().halt(0);
                return;
            }
            String[] arguments = new String[in.readInt()];
            for (int i = 0; i < arguments.length; i++) {
                arguments[i] = in.readUTF();
            }
            System.setIn(new ByteArrayInputStream(in.readUTF().getBytes("UTF-8")));
            answers.writeInt(run(tool, arguments));
            for (Capture c : new Capture[] {OUT, ERR}) {
                byte[] said = c.take();
                answers.writeInt(said.length);
                answers.write(said);
            }
            answers.flush();
        }
    }

    /** The first status counts: a tool that catches even Errors may ask for another on its way out. */
    private static void exit(int code) {
        if (status == null) {
            status = code;
        }
        throw new Exited();
    }

    private static int run(String tool, String[] arguments) throws Exception {
        status = null;
        HOOKS.clear();
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof Exited)) { // as a process ends that nobody catches it for
                System.err.print("Exception in thread \"main\" ");
                e.getCause().printStackTrace();
                status = status == null ? 1 : status;
            }
        }
        for (Runnable hook : HOOKS) {
            Thread t = new Thread(hook);
            t.setDaemon(true);
            t.start();
            t.join(HOOK_MILLIS);
        }
        return status == null ? 0 : status;
    }
}
