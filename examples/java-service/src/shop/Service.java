// SPDX-License-Identifier: Apache-2.0
package shop;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.text.NumberFormat;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Currency;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.ResourceBundle;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.zip.GZIPOutputStream;

/** Words for numbers, times, sums; a store in memory. */
public final class Service {
	private final Map<String, String> store = new ConcurrentHashMap<>();

	private interface Answer {
		byte[] of(HttpExchange e, Map<String, String> query) throws Exception;
	}

	private static byte[] text(String s) {
		return s.getBytes(StandardCharsets.UTF_8);
	}

	private static Map<String, String> query(HttpExchange e) {
		Map<String, String> m = new TreeMap<>();
		String raw = e.getRequestURI().getRawQuery();
		for (String pair : raw == null ? new String[0] : raw.split("&")) {
			String[] kv = pair.split("=", 2);
			m.put(kv[0], kv.length > 1 ? URLDecoder.decode(kv[1], StandardCharsets.UTF_8) : "");
		}
		return m;
	}

	private static void serve(HttpServer s, String path, Answer a) {
		s.createContext(path, e -> {
			byte[] out;
			int status = 200;
			try {
				out = a.of(e, query(e));
				if (out == null) {
					status = 404;
					out = text("nothing here\n");
				}
			} catch (Exception x) {
				status = 400;
				out = text(x.getClass().getSimpleName() + "\n");
			}
			e.sendResponseHeaders(status, out.length == 0 ? -1 : out.length);
			try (var body = e.getResponseBody()) {
				body.write(out);
			}
		});
	}

	private byte[] items(HttpExchange e) throws IOException {
		String name = e.getRequestURI().getPath().substring("/items/".length());
		if (e.getRequestMethod().equals("PUT")) {
			store.put(name, new String(e.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
			return text("kept\n");
		}
		return store.containsKey(name) ? text(store.get(name)) : null;
	}

	private static byte[] gzip(byte[] in) throws IOException {
		var out = new ByteArrayOutputStream();
		try (var z = new GZIPOutputStream(out)) {
			z.write(in);
		}
		return out.toByteArray();
	}

	public static void main(String[] args) throws Exception {
		Service me = new Service();
		HttpServer s = HttpServer.create(new InetSocketAddress(8080), 0);
		s.setExecutor(Executors.newFixedThreadPool(8));
		serve(s, "/health", (e, q) -> text("ok\n"));
		serve(s, "/items/", (e, q) -> me.items(e));
		serve(s, "/hello", (e, q) -> text(ResourceBundle.getBundle("shop.words",
				Locale.forLanguageTag(q.getOrDefault("lang", "en"))).getString("hello") + "\n"));
		serve(s, "/when", (e, q) -> text(DateTimeFormatter.ofPattern("EEEE HH:mm xxx",
				Locale.forLanguageTag(q.getOrDefault("lang", "en")))
				.format(Instant.parse("2024-07-01T12:00:00Z").atZone(ZoneId.of(q.getOrDefault("zone", "UTC"))))));
		serve(s, "/money", (e, q) -> {
			NumberFormat f = NumberFormat.getCurrencyInstance(Locale.forLanguageTag(q.getOrDefault("lang", "en-US")));
			f.setCurrency(Currency.getInstance("EUR"));
			return text(f.format(1234.5));
		});
		serve(s, "/digest", (e, q) -> text(HexFormat.of().formatHex(MessageDigest.getInstance(q.getOrDefault("how", "SHA-256"))
				.digest(e.getRequestBody().readAllBytes()))));
		// Nobody's everyday pages.
		serve(s, "/charset", (e, q) -> "Grüße".getBytes(Charset.forName(q.getOrDefault("name", "ISO-8859-1"))));
		serve(s, "/roots", (e, q) -> {
			var all = javax.net.ssl.TrustManagerFactory.getInstance("PKIX");
			all.init((java.security.KeyStore) null);
			return text(((javax.net.ssl.X509TrustManager) all.getTrustManagers()[0]).getAcceptedIssuers().length > 0 ? "some\n" : "none\n");
		});
		serve(s, "/picture", (e, q) -> {
			var picture = new java.awt.image.BufferedImage(20, 10, java.awt.image.BufferedImage.TYPE_INT_RGB);
			var g = picture.createGraphics();
			g.setColor(java.awt.Color.RED);
			g.fillRect(0, 0, 10, 10);
			var out = new ByteArrayOutputStream();
			javax.imageio.ImageIO.write(picture, q.getOrDefault("format", "png"), out);
			return out.toByteArray();
		});
		serve(s, "/packed", (e, q) -> gzip(e.getRequestBody().readAllBytes()));
		Runtime.getRuntime().addShutdownHook(new Thread(() -> s.stop(0)));
		s.start();
		System.out.println("ready");
	}
}
