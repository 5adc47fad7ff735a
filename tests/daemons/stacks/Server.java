// A JSSE server: ADDRESS PORT KEYSTORE PROTOCOL... Whatever it is sent, it answers the same.

import java.io.FileInputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import java.security.Security;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

public class Server {
    public static void main(String[] arguments) throws Exception {
        // What the arguments say decides, not what this release finds too old.
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        Security.setProperty("jdk.tls.legacyAlgorithms", "");
        char[] password = "portreeve".toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream file = new FileInputStream(arguments[2])) {
            store.load(file, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        InetAddress address = InetAddress.getByName(arguments[0]);
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
            .createServerSocket(Integer.parseInt(arguments[1]), 100, address);
        listener.setEnabledProtocols(java.util.Arrays.copyOfRange(arguments, 3, arguments.length));
        listener.setEnabledCipherSuites(listener.getSupportedCipherSuites());
        while (true) {
            SSLSocket socket = (SSLSocket) listener.accept();
            Thread talk = new Thread(() -> talk(socket));
            talk.setDaemon(true);
            talk.start();
        }
    }

    private static void talk(SSLSocket socket) {
        try (socket) {
            socket.setSoTimeout(20_000);
            socket.startHandshake();
            if (socket.getInputStream().read() >= 0) {
                socket.getOutputStream().write("HTTP/1.0 204 No Content\r\n\r\n".getBytes());
            }
        } catch (java.io.IOException ended) {
            // Whoever breaks off a handshake is served next time.
        }
    }
}
