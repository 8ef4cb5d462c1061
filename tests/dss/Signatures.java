import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * Asks DSS, the European Commission's reference validator, what signatures are worth: ROOT FILE...
 *
 * <p>Answers in lines of tab-separated fields, for each file (numbered from 0) and signature one line "signature NUMBER
 * FORMAT INDICATION SUBINDICATION", and a line "error NUMBER TEXT" or "warning NUMBER TEXT" for each thing found.
 */
final class Signatures {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] arguments) {
    CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
    trusted.addCertificate(DSSUtils.loadCertificate(new File(arguments[0])));
    for (int number = 0; number < arguments.length - 1; number++) {
      check(number, new File(arguments[number + 1]), trusted);
    }
  }

  private static void check(int number, File file, CommonTrustedCertificateSource trusted) {
    CommonCertificateVerifier verifier = new CommonCertificateVerifier();
    verifier.setTrustedCertSources(trusted);
    SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(file));
    validator.setCertificateVerifier(verifier);
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
