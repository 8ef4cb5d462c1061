import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.Date;
import java.util.stream.Collectors;

/**
 * Asks DSS, the European Commission's reference validator, what signatures are worth.
 *
 * <p>Reads lines of tab-separated fields: an instant at which somebody reads a file, the file, and the certificates
 * that he trusts. Answers in lines of tab-separated fields, for each file (numbered from 0) and signature one line "signature NUMBER
 * FORMAT INDICATION SUBINDICATION", and a line "error NUMBER TEXT" or "warning NUMBER TEXT" for each thing found.
 */
final class Signatures {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] arguments) throws IOException {
    BufferedReader asked = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int number = 0;
    for (String line = asked.readLine(); line != null; line = asked.readLine()) {
      check(number++, line.split("\t"));
    }
  }

  private static void check(int number, String[] asked) {
    CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
    for (String certificate : Arrays.copyOfRange(asked, 2, asked.length)) {
      trusted.addCertificate(DSSUtils.loadCertificate(new File(certificate)));
    }
    CommonCertificateVerifier verifier = new CommonCertificateVerifier();
    verifier.setTrustedCertSources(trusted);
    SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(asked[1]));
    validator.setCertificateVerifier(verifier);
    validator.setValidationTime(Date.from(OffsetDateTime.parse(asked[0]).toInstant()));
    SimpleReport report = validator.validateDocument().getSimpleReport();
    for (String id : report.getSignatureIdList()) {
      say("signature", number, report.getSignatureFormat(id), report.getIndication(id), report.getSubIndication(id));
      for (Message message : report.getAdESValidationErrors(id)) {
        say("error", number, message.getValue());
      }
      for (Message message : report.getAdESValidationWarnings(id)) {
        say("warning", number, message.getValue());
      }
    }
  }

  private static void say(Object... fields) {
    OUT.println(Arrays.stream(fields)
        .map(field -> String.valueOf(field).replaceAll("\\s+", " "))
        .collect(Collectors.joining("\t")));
  }
}
